/**
 * Get Location where app is installed: `GET /oauth/installedLocations`, as the
 * vendor's OpenAPI file documents it.
 *
 * @see {@link https://marketplace.gohighlevel.com/docs/ghl/oauth/get-installed-location | Get Location where app is installed}
 */
import * as Schema from "effect/Schema"
import * as ErrorResponse from "./ErrorResponse.ts"
import * as Lenient from "./lenient.ts"
import * as Operation from "./Operation.ts"

/** The agency and the app whose locations to list. */
export const InstalledLocationsRequest = Schema.Struct({
  companyId: Operation.identifier("Parameter to search by the companyId"),
  appId: Operation.identifier("Parameter to search by the appId"),
  /** @default 0 */
  skip: Schema.optionalKey(
    Schema.Natural.annotate({ description: "Parameter to skip the number installed locations", examples: [1] })
  ),
  /** @default 20 */
  limit: Schema.optionalKey(
    Schema.Natural.annotate({ description: "Parameter to limit the number installed locations", examples: [10] })
  ),
  query: Schema.optionalKey(
    Schema.String.annotate({
      description: "Parameter to search for the installed location by name",
      examples: ["location name"]
    })
  ),
  isInstalled: Schema.optionalKey(
    Schema.Boolean.annotate({
      description: "Filters out location which are installed for specified app under the specified company",
      examples: [true]
    })
  ),
  versionId: Schema.optionalKey(
    Schema.String.annotate({ description: "VersionId of the app", examples: ["tDtDnQdgm2LXpyiqYvZ6"] })
  ),
  onTrial: Schema.optionalKey(
    Schema.Boolean.annotate({
      description: "Filters out locations which are installed for specified app in trial mode",
      examples: [true]
    })
  ),
  planId: Schema.optionalKey(
    Schema.String.annotate({
      description: "Filters out location which are installed for specified app under the specified planId"
    })
  ),
  locationId: Schema.optionalKey(Schema.String.annotate({ description: "locationId", examples: ["1245"] }))
})

export interface InstalledLocationsRequest extends Schema.Schema.Type<typeof InstalledLocationsRequest> {}

/** A location of the agency. Every field may be missing or `null`. */
export const InstalledLocation = Lenient.struct({
  _id: Lenient.field(Schema.String.annotate({ description: "Location ID", examples: ["0IHuJvc2ofPAAA8GzTRi"] })),
  name: Lenient.field(Schema.String.annotate({ description: "Name of the location", examples: ["John Deo"] })),
  address: Lenient.field(
    Schema.String.annotate({
      description: "Address linked to location",
      examples: ["47 W 13th St, New York, NY 10011, USA"]
    })
  ),
  isInstalled: Lenient.field(
    Schema.Boolean.annotate({
      description: "Check if the requested app is installed for following location",
      examples: [true]
    })
  ),
  versionId: Lenient.field(
    Schema.String.annotate({
      description: "Version ID of the installed app version for this location",
      examples: ["6578278e879ad2646715ba9c"]
    })
  ),
  installedAt: Lenient.field(
    Schema.String.annotate({
      description: "Timestamp when the app was installed on this location",
      examples: ["2024-01-15T10:30:00.000Z"],
      format: "date-time"
    })
  )
})

export interface InstalledLocation extends Schema.Schema.Type<typeof InstalledLocation> {}

/** The 200. Every field may be missing or `null`. */
export const InstalledLocationsResponse = Lenient.struct(
  {
    locations: Lenient.field(Schema.Array(InstalledLocation)),
    count: Lenient.field(
      Schema.Finite.annotate({ description: "Total location count under the company", examples: [1231] })
    ),
    installToFutureLocations: Lenient.field(
      Schema.Boolean.annotate({
        description: "Boolean to control if user wants app to be automatically installed to future locations",
        examples: [true]
      })
    )
  },
  { description: "Successful response" }
)

export interface InstalledLocationsResponse extends Schema.Schema.Type<typeof InstalledLocationsResponse> {}

/** The operation, sent with the agency's token. It requires the scope `oauth.readonly`. */
export const getInstalledLocations = Operation.make({
  ...Operation.get,
  name: "OAuth.getInstalledLocations",
  documentation: "https://marketplace.gohighlevel.com/docs/ghl/oauth/get-installed-location",
  path: "/oauth/installedLocations",
  input: InstalledLocationsRequest,
  query: InstalledLocationsRequest.fields,
  success: InstalledLocationsResponse,
  error: [ErrorResponse.BadRequest, ErrorResponse.Unprocessable]
})
