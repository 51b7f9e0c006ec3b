/** Stores tokens in Redis, one key each, replaced by an atomic script. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Redis from "effect/persistence/Redis"

// The second argument distinguishes an absent value from an empty one.
const replaceLua = `
local current = redis.call('GET', KEYS[1])
if current == false then
  if ARGV[1] == '1' then return 0 end
elseif ARGV[1] ~= '1' or current ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[1], ARGV[3])
return 1
`

const removeLua = `
local current = redis.call('GET', KEYS[1])
if ARGV[1] == '1' and current ~= ARGV[2] or ARGV[1] == '0' and current ~= false then return 0 end
redis.call('DEL', KEYS[1])
return 1
`

const argumentsOf = (current: Option.Option<Redacted.Redacted>) => [
  Option.isSome(current) ? "1" : "0",
  Option.getOrElse(Option.map(current, Redacted.value), () => "")
]

export const make = (redis: Redis.Redis["Service"], prefix: string) => {
  const pattern = `${prefix.replaceAll(/[\\*?[\]]/g, "\\$&")}*`
  const replace = redis.eval(
    Redis.script(
      (key: string, current: Option.Option<Redacted.Redacted>, next: Redacted.Redacted) => [
        prefix + key,
        ...argumentsOf(current),
        Redacted.value(next)
      ],
      { numberOfKeys: 1, lua: replaceLua }
    ).withReturnType<number>()
  )
  const remove = redis.eval(
    Redis.script((key: string, current: Option.Option<Redacted.Redacted>) => [prefix + key, ...argumentsOf(current)], {
      numberOfKeys: 1,
      lua: removeLua
    }).withReturnType<number>()
  )

  // Redis may return a key twice while it resizes its table.
  const list = Stream.suspend(() => {
    const seen = new Set<string>()
    return Stream.paginate("0", (cursor) =>
      Effect.map(
        redis.send<[cursor: string, keys: ReadonlyArray<string>]>("SCAN", cursor, "MATCH", pattern, "COUNT", "1000"),
        ([next, keys]) => {
          const found = [...new Set(keys)].filter((key) => !seen.has(key))
          for (const key of found) seen.add(key)
          return [
            found.map((key) => key.slice(prefix.length)),
            next === "0" ? Option.none<string>() : Option.some(next)
          ] as const
        }
      )
    )
  })

  return {
    get: (key: string) =>
      Effect.map(redis.send<string | null>("GET", prefix + key), (value) =>
        Option.map(Option.fromNullishOr(value), (text) => Redacted.make(text))
      ),
    replace: (key: string, current: Option.Option<Redacted.Redacted>, next: Redacted.Redacted) =>
      Effect.map(replace(key, current, next), (replaced) => replaced === 1),
    remove: (key: string, current?: Option.Option<Redacted.Redacted>) =>
      current === undefined
        ? Effect.as(redis.send("DEL", prefix + key), true)
        : Effect.map(remove(key, current), (removed) => removed === 1),
    list
  }
}
