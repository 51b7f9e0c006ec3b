/**
 * The rules of `bucket.ts` in Redis, on Redis's clock, each step one atomic
 * script. Three keys a bucket: places held until their leases expire, ended
 * requests until they no longer count, and what the headers told.
 */
import * as Effect from "effect/Effect"
import * as Redis from "effect/persistence/Redis"
import type { Bucket, Lease, Observation, QuotaStore, Taken } from "../QuotaStore.ts"
import { documentedIntervalMillis, documentedLimit, probeMillis } from "./bucket.ts"

const preamble = `
local held, ended, state = KEYS[1], KEYS[2], KEYS[3]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function number(field)
  local value = redis.call('HGET', state, field)
  return value and tonumber(value)
end
local epoch = redis.call('HGET', state, 'epoch')
if not epoch then
  epoch = time[1] .. '.' .. time[2]
  redis.call('HSET', state, 'epoch', epoch)
end
local interval = number('interval') or ${documentedIntervalMillis}
local dead = redis.call('ZRANGEBYSCORE', held, '-inf', now, 'WITHSCORES')
for i = 1, #dead, 2 do
  redis.call('ZREM', held, dead[i])
  redis.call('ZADD', ended, dead[i + 1] + interval, dead[i])
end
redis.call('ZREMRANGEBYSCORE', ended, '-inf', now)
local function keep()
  for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, 90000000) end
end
`

const takeLua = `${preamble}
local sequence = number('sequence') or 0
local holding = redis.call('ZCARD', held)
local resetsAt = number('dailyResetsAt')
if resetsAt and resetsAt > now then
  if number('dailyRemaining') - (sequence - number('dailySequence')) <= 0 then
    if holding > 0 then return {'Wait', ${probeMillis}, 1} end
    return {'Spent', resetsAt}
  end
end
local blockedUntil = number('blockedUntil') or 0
if blockedUntil > now then return {'Wait', blockedUntil - now, 0} end
local used = holding + redis.call('ZCARD', ended)
local max = number('max')
local count = tonumber(ARGV[2])
if not max then
  if holding > 0 then return {'Wait', ${probeMillis}, 1} end
  count = 1
else
  local available = max
  local foreignUntil = number('foreignUntil') or 0
  if foreignUntil > now then available = max - number('foreignCount') end
  if used >= available then
    local place = redis.call('ZRANGE', ended, used - available, used - available, 'WITHSCORES')
    local freed = place[2] and tonumber(place[2]) or now + interval
    if foreignUntil > now then freed = math.min(freed, foreignUntil) end
    return {'Wait', math.max(1, math.ceil(freed - now)), 0}
  end
  count = math.min(count, available - used)
end
if resetsAt and resetsAt > now then
  count = math.min(count, number('dailyRemaining') - (sequence - number('dailySequence')))
end
for i = 1, count do
  redis.call('ZADD', held, now + ARGV[1] + interval, epoch .. ':' .. (sequence + i))
end
redis.call('HINCRBY', state, 'sequence', count)
keep()
return {'Granted', sequence + 1, used + 1, epoch, count}
`

const giveLua = `${preamble}
local sequence, used, leaseEpoch, kind = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]
local member = leaseEpoch .. ':' .. sequence
redis.call('ZREM', held, member)
if kind == 'Unused' then return 0 end
if kind == 'Unknown' then
  redis.call('ZADD', ended, now + 2 * interval, member)
  keep()
  return 0
end
local isAnswer, isLimited = ARGV[5] == 'true', ARGV[6] == 'true'
local headerMax, remaining, headerInterval = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local dailyRemaining, dailyReset, retryAfter = tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12])
local current = number('sequence') or 0
-- A request of an earlier life of the bucket is as new as can be.
if leaseEpoch ~= epoch then
  sequence = current
  used = redis.call('ZCARD', held) + redis.call('ZCARD', ended) + 1
end
local max, maxSequence = number('max'), number('maxSequence') or 0
local isNewest = not max or sequence >= maxSequence
if headerMax then
  if isNewest or headerMax < max then redis.call('HSET', state, 'max', headerMax, 'maxSequence', sequence) end
  if isNewest and headerInterval then
    interval = headerInterval
    redis.call('HSET', state, 'interval', interval)
  end
elseif isAnswer and not max then
  redis.call('HSET', state, 'max', ${documentedLimit}, 'maxSequence', 0)
end
redis.call('ZADD', ended, now + interval, member)
local grantedSince = current - sequence
if headerMax and remaining then
  local count = math.max(0, headerMax - remaining - (used + grantedSince))
  local foreignUntil = number('foreignUntil') or 0
  if foreignUntil <= now or count >= number('foreignCount') then
    redis.call('HSET', state, 'foreignCount', count, 'foreignUntil', count > 0 and now + interval or 0)
  end
end
if dailyRemaining then
  local resetsAt = number('dailyResetsAt') or 0
  if resetsAt <= now or sequence >= number('dailySequence') then
    redis.call('HSET', state, 'dailyRemaining', dailyRemaining, 'dailySequence', sequence,
      'dailyResetsAt', now + (dailyReset or interval))
  end
end
if isLimited then
  local blockedUntil = math.max(number('blockedUntil') or 0, now + (retryAfter or interval))
  redis.call('HSET', state, 'blockedUntil', blockedUntil)
end
keep()
return 0
`

type Reply =
  | readonly ["Granted", sequence: number, used: number, epoch: string, count: number]
  | readonly ["Wait", millis: number, isForAnswer: number]
  | readonly ["Spent", resetsAtMillis: number]

const takenOf = (reply: Reply): Taken => {
  switch (reply[0]) {
    case "Granted": {
      const [, sequence, used, epoch, count] = reply
      const lease = (index: number): Lease => ({ sequence: sequence + index, used: used + index, epoch })
      return {
        _tag: "Granted",
        leases: [lease(0), ...Array.from({ length: count - 1 }, (_, index) => lease(index + 1))]
      }
    }
    case "Wait":
      return { _tag: "Wait", millis: reply[1], isForAnswer: reply[2] === 1 }
    case "Spent":
      return { _tag: "Spent", resetsAtMillis: reply[1] }
  }
}

const observationArguments = (observation: Observation): ReadonlyArray<string> => {
  if (observation._tag !== "Answered") return [observation._tag]
  const { dailyRemaining, dailyResetMillis, intervalMillis, isAnswer, isLimited, max, remaining, retryAfterMillis } =
    observation
  return [
    "Answered",
    String(isAnswer),
    String(isLimited),
    ...[max, remaining, intervalMillis, dailyRemaining, dailyResetMillis, retryAfterMillis].map((value) =>
      value === undefined ? "" : String(value)
    )
  ]
}

export const make = (redis: Redis.Redis["Service"], prefix: string): QuotaStore<Redis.RedisError> => {
  // One hash tag a bucket, so that its keys share a slot of a Redis cluster.
  const keys = ({ app, locationId }: Bucket) => {
    const key = `${prefix}{${encodeURIComponent(app)}:${encodeURIComponent(locationId)}}`
    return [`${key}:held`, `${key}:ended`, `${key}:state`]
  }
  const take = redis.eval(
    Redis.script((bucket: Bucket, leaseMillis: number, count: number) => [...keys(bucket), leaseMillis, count], {
      numberOfKeys: 3,
      lua: takeLua
    }).withReturnType<Reply>()
  )
  const give = redis.eval(
    Redis.script(
      (bucket: Bucket, { epoch, sequence, used }: Lease, observation: Observation) => [
        ...keys(bucket),
        sequence,
        used,
        epoch,
        ...observationArguments(observation)
      ],
      { numberOfKeys: 3, lua: giveLua }
    )
  )
  return {
    take: (bucket, leaseMillis, count) => Effect.map(take(bucket, leaseMillis, count), takenOf),
    give
  }
}
