/** The agencies of the sandbox, their locations, and the installs of the app. */
import type * as Model from "./SandboxModel.ts"

export const defaultCompany = "sandbox-company"

export interface Location {
  readonly id: string
  readonly name: string
  readonly isInstalled: boolean
  /** In epoch milliseconds. */
  readonly installedAt: number | undefined
}

interface Company {
  readonly locations: Map<string, Location>
  /** Whether unlisted locations have the app. */
  toFutureLocations: boolean
}

export type Installations = ReturnType<typeof make>

/** `seeded` are the locations of the conversations, which belong to the default agency. */
export const make = (seeded: () => ReadonlyArray<string>) => {
  const companies = new Map<string, Company>()
  const ownerOf = (locationId: string) => [...companies.values()].find(({ locations }) => locations.has(locationId))

  const add = (company: Company, id: string, change: Partial<Location>) => {
    const owner = ownerOf(id)
    if (owner !== company) owner?.locations.delete(id)
    const known = company.locations.get(id)
    const isInstalled = company.toFutureLocations
    company.locations.set(id, { id, name: `Location ${id}`, isInstalled, installedAt: undefined, ...known, ...change })
  }

  /** A new agency has the app everywhere, unless it is being installed now. */
  const companyOf = (companyId: string, toFutureLocations = true): Company => {
    const company = companies.get(companyId) ?? { locations: new Map(), toFutureLocations }
    companies.set(companyId, company)
    if (companyId !== defaultCompany) return company
    for (const id of seeded()) if (ownerOf(id) === undefined) add(company, id, {})
    return company
  }

  const set = (company: Company, locationIds: Iterable<string>, isInstalled: boolean, installedAt?: number) => {
    for (const id of locationIds) add(company, id, { isInstalled, installedAt })
  }

  const install = (installation: Model.Installation, now: number) => {
    const { companyId = defaultCompany, locationIds } = installation
    const { toFutureLocations = locationIds === undefined } = installation
    const company = companyOf(companyId, toFutureLocations)
    company.toFutureLocations = toFutureLocations
    set(company, locationIds ?? [...company.locations.keys()], true, now)
  }

  return {
    install,

    /** An approving location has the app. An approving agency keeps its installs, or installs it everywhere. */
    approve: ({ companyId = defaultCompany, locationId, locationIds, userType }: Model.Choice, now: number) => {
      const company = companyOf(companyId, locationIds === undefined)
      const hasApp = company.toFutureLocations || [...company.locations.values()].some(({ isInstalled }) => isInstalled)
      if (locationIds !== undefined) install({ companyId, locationIds }, now)
      else if (userType === "Company" && !hasApp) install({ companyId }, now)
      if (userType !== "Company" && locationId !== undefined) set(company, [locationId], true, now)
    },

    uninstall: ({ companyId = defaultCompany, locationId }: Model.Uninstallation) => {
      if (locationId !== undefined) return set(ownerOf(locationId) ?? companyOf(companyId), [locationId], false)
      const company = companyOf(companyId)
      company.toFutureLocations = false
      set(company, [...company.locations.keys()], false)
    },

    addLocation: ({ companyId = defaultCompany, locationId, name }: Model.AddedLocation, now: number) => {
      const company = companyOf(companyId)
      const installedAt = company.toFutureLocations ? now : undefined
      add(company, locationId, { installedAt, ...(name === undefined ? {} : { name }) })
    },

    isInstalled: (companyId: string, locationId: string) => {
      const company = companyOf(companyId)
      const known = company.locations.get(locationId)
      if (known !== undefined) return known.isInstalled
      return company.toFutureLocations && ownerOf(locationId) === undefined
    },

    /** The listed locations that have the app. */
    installed: (companyId: string) =>
      [...(companies.get(companyId)?.locations.values() ?? [])].flatMap(({ id, isInstalled }) =>
        isInstalled ? [id] : []
      ),

    ofCompany: (companyId: string) => {
      const { locations, toFutureLocations } = companyOf(companyId)
      return { locations: [...locations.values()], toFutureLocations }
    },

    reset: () => companies.clear()
  }
}
