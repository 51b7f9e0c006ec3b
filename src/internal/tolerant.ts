/**
 * Objects that read what they understand and keep the rest.
 *
 * An answer must not fail over one odd value: the update it reports was applied.
 */
import * as Effect from "effect/Effect"
import * as Record from "effect/Record"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaParser from "effect/SchemaParser"
import * as SchemaTransformation from "effect/SchemaTransformation"

/** A field that may be missing or null, as any field of a live answer may. */
export const field = <S extends Schema.Constraint>(schema: S) => Schema.optionalKey(Schema.NullOr(schema))

/** Parsed JSON. Not `Schema.Json`, which refuses the Infinity that a number like 1e999 becomes. */
type JsonLike = { readonly [key: string]: unknown }

type Field = Schema.Codec<unknown, unknown> & Schema.Constraint

/**
 * A struct that is typed as documented in the fields it knows and keeps the keys
 * it does not. A value that its field cannot read moves, as it came, into
 * `unrecognized` under its own name; writing puts it back.
 */
export const struct = <const Fields extends { readonly [name: string]: Field }>(fields: Fields) => {
  const Understood = Schema.StructWithRest(
    Schema.Struct({ ...fields, unrecognized: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown)) }),
    [Schema.Record(Schema.String, Schema.Unknown)]
  )
  // What may arrive: each field as documented, or anything; OpenAPI shows both. A
  // `_tag` tells our values apart and is never sent.
  const sent = Record.filter(fields, (_, name) => name !== "_tag")
  const Wire = Schema.StructWithRest(
    Schema.Struct(
      Record.map(sent, (schema) => Schema.optionalKey(Schema.Union([Schema.toEncoded(schema), Schema.Unknown])))
    ),
    [Schema.Record(Schema.String, Schema.Unknown)]
  )

  const decode = SchemaParser.decodeUnknownResult(Understood)
  const encode = SchemaParser.encodeUnknownResult(Understood)
  const readable = Record.map(sent, (schema) => {
    const decodeField = SchemaParser.decodeUnknownResult(Schema.Struct({ value: schema }))
    return (value: unknown) => Result.isSuccess(decodeField({ value }))
  })

  const isOurs = (name: string) => name === "unrecognized" || (name === "_tag" && "_tag" in fields)
  const isOdd = (name: string, value: unknown) =>
    isOurs(name) || (Object.hasOwn(readable, name) && readable[name]?.(value) === false)
  // `fromEntries`, since assigning to a key named `__proto__` would lose it.
  const sift = (wire: JsonLike) => {
    const entries = Object.entries(wire)
    return {
      ...Object.fromEntries(entries.filter(([name, value]) => !isOdd(name, value))),
      unrecognized: Object.fromEntries(entries.filter(([name, value]) => isOdd(name, value)))
    }
  }

  return Wire.pipe(
    Schema.decodeTo(
      Schema.toType(Understood),
      SchemaTransformation.transformEffect({
        decode: (wire: JsonLike) => {
          const whole = Object.keys(wire).some(isOurs) ? decode(sift(wire)) : decode(wire)
          return Effect.fromResult(Result.isSuccess(whole) ? whole : decode(sift(wire)))
        },
        encode: (value) => {
          const { unrecognized, ...understood } = value
          return Effect.fromResult(Result.map(encode(understood), (wire): JsonLike => ({ ...wire, ...unrecognized })))
        }
      })
    )
  )
}
