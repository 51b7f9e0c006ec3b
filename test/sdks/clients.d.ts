/** What the run asks of an SDK; each in the SDK's own calls. */
export interface Client {
  readonly name: string
  /** Where the SDK sends a customer. */
  readonly pageUrl: string
  /** What it sends before an agency's call. */
  readonly agencyRefreshes: ReadonlyArray<string>
  readonly exchange: (code: string) => Promise<object | undefined>
  readonly refresh: () => Promise<object | undefined>
  readonly update: () => Promise<object | undefined>
  readonly exchangeAgency: (code: string) => Promise<object | undefined>
  readonly installedLocations: () => Promise<object | undefined>
  /** Without the help that `clients.js` gives the SDK, where it needs some. */
  readonly locationTokenAsIs?: () => Promise<object | undefined>
  readonly locationToken: () => Promise<object | undefined>
  readonly updateWithLocationToken: () => Promise<object | undefined>
}

export interface Settings {
  readonly baseUrl: string
  readonly clientId: string
  readonly clientSecret: string
  readonly appId: string
  readonly redirectUri: string
  readonly companyId: string
  readonly locationId: string
  readonly conversationId: string
}

export const official: (settings: Settings) => Client
export const gnosticdev: (settings: Settings) => Client
