/**
 * The bodies of the documented error responses.
 *
 * In live responses any property may be missing, and `message` may be a string where an
 * array is documented, or the reverse. So every property is optional, and both forms are
 * decoded. Callers handle the errors in `HighLevelError`.
 */
import * as Schema from "effect/Schema"
import * as Lenient from "./lenient.ts"

const statusCode = (example: number) => Lenient.field(Schema.Finite.annotate({ examples: [example] }))
const text = (example: string) => Lenient.field(Schema.String.annotate({ examples: [example] }))
const traceId = Lenient.field(Schema.String)

const textOrTexts = (example: string) =>
  Lenient.field(Schema.Union([Schema.String.annotate({ examples: [example] }), Schema.Array(Schema.String)]))

const textsOrText = (example: string) =>
  Lenient.field(Schema.Union([Schema.Array(Schema.String).annotate({ examples: [[example]] }), Schema.String]))

/** The documented 400. The undocumented `error` is sent as well. */
export const BadRequest = Lenient.struct(
  {
    _tag: Schema.tag("BadRequest"),
    statusCode: statusCode(400),
    message: textOrTexts("Bad Request"),
    error: Lenient.field(Schema.String),
    traceId
  },
  { description: "Bad Request", httpApiStatus: 400 }
)

/** The documented 401. */
export const Unauthorized = Lenient.struct(
  {
    _tag: Schema.tag("Unauthorized"),
    statusCode: statusCode(401),
    message: textOrTexts("Invalid token: access token is invalid"),
    error: text("Unauthorized"),
    traceId
  },
  { description: "Unauthorized", httpApiStatus: 401 }
)

/** The documented 422, whose `message` is an array. */
export const Unprocessable = Lenient.struct(
  {
    _tag: Schema.tag("Unprocessable"),
    statusCode: statusCode(422),
    message: textsOrText("Unprocessable Entity"),
    error: text("Unprocessable Entity"),
    traceId
  },
  { description: "Unprocessable Entity", httpApiStatus: 422 }
)
