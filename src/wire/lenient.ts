/**
 * Lenient structs: they decode the values they understand and keep the rest.
 *
 * A response must not fail over one unexpected value, since its update was applied.
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Record from "effect/Record"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaParser from "effect/SchemaParser"
import * as SchemaTransformation from "effect/SchemaTransformation"

/** A field that may be missing or null, like any field of a live response. */
export const field = <S extends Schema.Constraint>(schema: S) => Schema.optionalKey(Schema.NullOr(schema))

type Field = Schema.Codec<unknown, unknown> & Schema.Constraint

/** Decodes parsed JSON. */
type Read = (input: unknown) => Result.Result<unknown, SchemaIssue.Issue>

// Keyed by the syntax tree of a lenient struct.
const readers = new WeakMap<SchemaAST.AST, Read>()

// Types that decode to themselves: no transformation, and no object that would lose keys.
const plain = new Set(["String", "Number", "Boolean", "Null", "Literal"])
const isPlain = (ast: SchemaAST.AST): boolean =>
  ast.encoding === undefined && (ast._tag === "Union" ? ast.types.every(isPlain) : plain.has(ast._tag))

/** The types whose values need no schema. Checks and literals do. */
const typesOf = (ast: SchemaAST.AST): ReadonlyArray<string> => {
  if (ast.encoding !== undefined || ast.checks !== undefined) return []
  if (ast._tag === "Union") return ast.types.flatMap(typesOf)
  return ast._tag === "String" || ast._tag === "Boolean" ? [ast._tag.toLowerCase()] : []
}

const readerOf = (schema: Schema.ConstraintDecoder<unknown>): Read => {
  const known = readers.get(schema.ast)
  if (known !== undefined) return known
  const parse = SchemaParser.decodeUnknownResult(schema)
  if (!isPlain(schema.ast)) return parse
  const types = typesOf(schema.ast)
  const is = SchemaParser.is(schema)
  return (input) => (types.includes(typeof input) || is(input) ? Result.succeed(input) : parse(input))
}

/** Assigning to a key named `__proto__` would lose it. */
const put = (object: Record<string, unknown>, key: string, value: unknown) => {
  if (key === "__proto__") {
    Object.defineProperty(object, key, { value, configurable: true, enumerable: true, writable: true })
  } else {
    object[key] = value
  }
}

const failAt = (name: string, issue: SchemaIssue.Issue) => Result.fail(new SchemaIssue.Pointer([name], issue))

/** Decodes an object in one pass, with one reader for each field. */
const readerOfFields = (fields: { readonly [name: string]: Field }, tag: { readonly _tag?: unknown }): Read => {
  const known = Object.entries(fields).map(([name, schema]) => ({
    name,
    read: readerOf(schema),
    isOptional: schema.ast.context?.isOptional === true
  }))
  const ours = ["unrecognized", ...Object.keys(tag)]
  const names = new Set([...Object.keys(fields), ...ours])
  return (input) => {
    if (!Predicate.isObject(input)) return Result.fail(new SchemaIssue.InvalidValue({ expected: "an object" }, input))
    const understood: Record<string, unknown> = { ...tag }
    let unrecognized: Record<string, unknown> | undefined
    for (const { isOptional, name, read } of known) {
      if (!Object.hasOwn(input, name)) {
        if (!isOptional) return failAt(name, new SchemaIssue.MissingKey(undefined))
        continue
      }
      const wire: unknown = input[name]
      const value = read(wire)
      if (Result.isSuccess(value)) understood[name] = value.success
      else if (!isOptional) return failAt(name, value.failure)
      else (unrecognized ??= {})[name] = wire
    }
    for (const name of ours) if (Object.hasOwn(input, name)) (unrecognized ??= {})[name] = input[name]
    if (unrecognized !== undefined) understood["unrecognized"] = unrecognized
    for (const name of Object.keys(input)) if (!names.has(name)) put(understood, name, input[name])
    return Result.succeed(understood)
  }
}

/**
 * A faster `Schema.decodeUnknownResult` for {@link struct} and parsed JSON: one pass
 * instead of the codec's three takes a fifth of the time.
 */
export const decode = <S extends Schema.ConstraintDecoder<unknown>>(schema: S) => {
  const read = readerOf(schema)
  const decodeInDetail = Schema.decodeUnknownResult(schema)
  // A property test holds both equal.
  const isDecoded = (result: Result.Result<unknown, unknown>): result is Result.Success<S["Type"], unknown> =>
    Result.isSuccess(result)
  return (input: unknown): Result.Result<S["Type"], Schema.SchemaError> => {
    const result = read(input)
    return isDecoded(result) ? Result.succeed(result.success) : decodeInDetail(input)
  }
}

/**
 * A struct with the documented types that keeps unknown keys. A value that its field
 * cannot decode moves unchanged into `unrecognized`, and encoding moves it back. The
 * `_tag` tells values of this package apart and is never sent.
 */
export const struct = <const Fields extends { readonly [name: string]: Field }>(
  fields: Fields,
  annotations: { readonly description?: string; readonly httpApiStatus?: number } = {}
) => {
  const Understood = Schema.StructWithRest(
    Schema.Struct({ ...fields, unrecognized: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown)) }),
    [Schema.Record(Schema.String, Schema.Unknown)]
  )
  const { _tag, ...sent }: { readonly [name: string]: Field } = fields
  // Each field is as documented, or anything; OpenAPI shows both.
  const Wire = Schema.StructWithRest(
    Schema.Struct(
      Record.map(sent, (schema) => Schema.optionalKey(Schema.Union([Schema.toEncoded(schema), Schema.Unknown])))
    ),
    [Schema.Record(Schema.String, Schema.Unknown)]
  )
  const read = readerOfFields(sent, _tag?.ast._tag === "Literal" ? { _tag: _tag.ast.literal } : {})
  const check = SchemaParser.decodeUnknownResult(Schema.toType(Understood))
  const encode = SchemaParser.encodeUnknownResult(Understood)

  const codec = Wire.pipe(
    Schema.decodeTo(
      Schema.toType(Understood),
      SchemaTransformation.transformEffect({
        decode: (wire) => Effect.fromResult(Result.flatMap(read(wire), check)),
        encode: ({ unrecognized, ...understood }) =>
          Effect.fromResult(
            Result.map(encode(understood), (encoded) => {
              const { _tag: _, ...wire } = { ...encoded }
              return { ...(_tag === undefined ? encoded : wire), ...unrecognized }
            })
          )
      })
    )
  ).annotate(annotations)
  readers.set(codec.ast, read)
  return codec
}
