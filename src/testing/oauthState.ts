/** The state of the sandbox's OAuth server: codes, refresh tokens, access tokens, installs. */
import * as Redacted from "effect/Redacted"
import type { UserType } from "../wire/getAccessToken.ts"
import * as Installations from "./installations.ts"
import type * as Model from "./SandboxModel.ts"

export interface Settings {
  readonly clientId: string
  readonly clientSecret: string
  /** The lifetime of an access token, in seconds. */
  readonly expiresIn: number
  /** How long a used refresh token returns the same pair. */
  readonly graceMillis: number
  /** By default, as the requested version has it. */
  readonly spelling: "snake_case" | "camelCase" | undefined
}

/** The app id is the first part of the client id. */
export const appIdOf = (clientId: string) => clientId.split("-")[0] ?? clientId

export interface Holder {
  readonly userType: UserType
  readonly locationId: string | undefined
  readonly companyId: string
  readonly scopes: ReadonlyArray<string>
  readonly expiresIn: number
  readonly refusedWith: string | undefined
}

export interface Pair {
  readonly holder: Holder
  readonly accessToken: string
  readonly refreshToken: string | undefined
}

export interface Refused {
  readonly status: 400 | 401
  readonly error: string
  readonly message: string
}

const invalidGrant = (what: string): Refused => ({
  status: 400,
  error: "invalid_grant",
  message: `Invalid grant: ${what} is invalid`
})

const badRequest = (message: string): Refused => ({ status: 400, error: "Bad Request", message })
const inactive = badRequest("Location is not active")

export const isRefused = (result: Pair | Refused): result is Refused => "status" in result

export type OAuthState = ReturnType<typeof make>

interface Code {
  readonly holder: Omit<Holder, "userType">
  /** The type of the token, if it is not the one that the exchange asks for. */
  readonly userType: UserType | undefined
  readonly redirectUri: string
}

interface RefreshToken {
  readonly holder: Holder
  used: { readonly at: number; readonly pair: Pair } | undefined
}

interface AccessToken {
  readonly holder: Holder
  readonly expiresAt: number
}

/** `seeded` are the locations of the conversations. */
export const make = (settings: Settings, seeded: () => ReadonlyArray<string>) => {
  const installations = Installations.make(seeded)
  const codes = new Map<string, Code>()
  const refreshTokens = new Map<string, RefreshToken>()
  const accessTokens = new Map<string, AccessToken>()
  const revoked = new Set<string>()
  const inactiveLocations = new Set<string>()
  // Not reset, so that no token is issued twice.
  let issued = 0

  const issue = (holder: Holder, now: number, withRefreshToken = true): Pair => {
    const number = ++issued
    const accessToken = `sandbox-access-${number}`
    const refreshToken = withRefreshToken ? `sandbox-refresh-${number}` : undefined
    accessTokens.set(accessToken, { holder, expiresAt: now + holder.expiresIn * 1000 })
    if (refreshToken !== undefined) refreshTokens.set(refreshToken, { holder, used: undefined })
    return { holder, accessToken, refreshToken }
  }

  const isInactive = ({ locationId }: { readonly locationId: string | undefined }) =>
    locationId !== undefined && inactiveLocations.has(locationId)

  return {
    settings,
    appId: appIdOf(settings.clientId),
    installations,
    isClient: (clientId: string, clientSecret: Redacted.Redacted) =>
      clientId === settings.clientId && Redacted.value(clientSecret) === settings.clientSecret,

    issue: (grant: Model.Grant, now: number): Pair =>
      issue(
        {
          userType: grant.userType ?? "Location",
          locationId: grant.userType === "Company" ? undefined : grant.locationId,
          companyId: grant.companyId ?? Installations.defaultCompany,
          scopes: grant.scopes ?? ["conversations.readonly", "conversations.write"],
          expiresIn: grant.expiresIn ?? settings.expiresIn,
          refusedWith: grant.refusedWith
        },
        now
      ),

    /** Issues the code of HighLevel's redirect, for a customer's choice. */
    approve: (
      choice: Model.Choice,
      { redirectUri, scopes }: { readonly scopes: ReadonlyArray<string>; readonly redirectUri: string },
      now: number
    ) => {
      installations.approve(choice, now)
      const code = `sandbox-code-${++issued}`
      const { companyId = Installations.defaultCompany, locationId, userType } = choice
      const holder = { locationId, companyId, scopes, expiresIn: settings.expiresIn, refusedWith: undefined }
      codes.set(code, { holder, userType, redirectUri })
      return code
    },

    exchange: (code: string, redirectUri: string | undefined, asked: UserType, now: number): Pair | Refused => {
      const found = codes.get(code)
      codes.delete(code)
      if (found === undefined || (redirectUri !== undefined && found.redirectUri !== redirectUri)) {
        return invalidGrant("authorization code")
      }
      const { holder, userType = asked } = found
      return issue({ ...holder, userType, locationId: userType === "Company" ? undefined : holder.locationId }, now)
    },

    refresh: (refreshToken: string, now: number): Pair | Refused => {
      const entry = refreshTokens.get(refreshToken)
      if (entry === undefined || revoked.has(refreshToken)) return invalidGrant("refresh token")
      if (isInactive(entry.holder)) return inactive
      if (entry.used === undefined) {
        entry.used = { at: now, pair: issue(entry.holder, now) }
        return entry.used.pair
      }
      return now - entry.used.at <= settings.graceMillis ? entry.used.pair : invalidGrant("refresh token")
    },

    locationToken: (agency: Holder, locationId: string, now: number): Pair | Refused => {
      if (inactiveLocations.has(locationId)) return inactive
      if (!installations.isInstalled(agency.companyId, locationId)) {
        return badRequest(`The app is not installed in location ${locationId}`)
      }
      return issue({ ...agency, userType: "Location", locationId }, now, false)
    },

    /** Returns the grant of an access token that is valid now. */
    holder: (accessToken: string, now: number): Holder | undefined => {
      const entry = accessTokens.get(accessToken)
      return entry === undefined || revoked.has(accessToken) || now >= entry.expiresAt ? undefined : entry.holder
    },

    uninstall: (uninstallation: Model.Uninstallation) => {
      const { companyId = Installations.defaultCompany, locationId } = uninstallation
      installations.uninstall(uninstallation)
      const loses = ({ holder }: { readonly holder: Omit<Holder, "userType"> }) =>
        locationId === undefined ? holder.companyId === companyId : holder.locationId === locationId
      for (const [code, entry] of codes) if (loses(entry)) codes.delete(code)
      for (const [token, entry] of refreshTokens) if (loses(entry)) refreshTokens.delete(token)
      for (const [token, entry] of accessTokens) {
        if (loses(entry)) accessTokens.set(token, { ...entry, holder: { ...entry.holder, refusedWith: "Invalid JWT" } })
      }
    },

    revoke: (token: string) => void revoked.add(token),
    deactivate: (locationId: string) => void inactiveLocations.add(locationId),
    reset: () => {
      codes.clear()
      refreshTokens.clear()
      accessTokens.clear()
      revoked.clear()
      inactiveLocations.clear()
      installations.reset()
    }
  }
}
