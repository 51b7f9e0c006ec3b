/**
 * The rules of `bucket.ts` in Redis, on Redis's clock, each step one atomic
 * script. Three keys a bucket: requests in flight until their permits expire, ended
 * requests until they no longer count, and what the headers told.
 */
import * as Effect from "effect/Effect"
import * as Redis from "effect/persistence/Redis"
import type { Acquired, Bucket, Observation, Permit, RateLimitStore } from "./RateLimitStore.ts"
import { documentedIntervalMillis, documentedLimit, probeMillis } from "./bucket.ts"

const preamble = `
local inFlight, ended, state = KEYS[1], KEYS[2], KEYS[3]
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
local dead = redis.call('ZRANGEBYSCORE', inFlight, '-inf', now, 'WITHSCORES')
for i = 1, #dead, 2 do
  redis.call('ZREM', inFlight, dead[i])
  redis.call('ZADD', ended, dead[i + 1] + interval, dead[i])
end
redis.call('ZREMRANGEBYSCORE', ended, '-inf', now)
local function keep()
  for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, 90000000) end
end
`

const acquireLua = `${preamble}
local sequence = number('sequence') or 0
local count = redis.call('ZCARD', inFlight)
local resetsAt = number('dailyResetsAt')
if resetsAt and resetsAt <= now then
  -- Whether requests are left is not known either: probe, as a cold bucket does.
  if number('dailyIsKnown') == 0 and number('dailyRemaining') - (sequence - number('dailySequence')) <= 0 then
    redis.call('HDEL', state, 'max')
  end
  redis.call('HDEL', state, 'dailyResetsAt')
  resetsAt = nil
end
if resetsAt and resetsAt > now and number('dailyRemaining') - (sequence - number('dailySequence')) <= 0 then
  if count > 0 then return {'Wait', ${probeMillis}, 1} end
  return {'DailyLimit', resetsAt}
end
local blockedUntil = number('blockedUntil') or 0
if blockedUntil > now then return {'Wait', blockedUntil - now, 0} end
local used = count + redis.call('ZCARD', ended)
local max = number('max')
if not max then
  if count > 0 then return {'Wait', ${probeMillis}, 1} end
else
  local available = max
  local externalUntil = number('externalUntil') or 0
  if externalUntil > now then available = max - number('externalCount') end
  if used >= available then
    local oldest = redis.call('ZRANGE', ended, used - available, used - available, 'WITHSCORES')
    local freed = oldest[2] and tonumber(oldest[2]) or now + interval
    if externalUntil > now then freed = math.min(freed, externalUntil) end
    return {'Wait', math.max(1, math.ceil(freed - now)), 0}
  end
end
redis.call('ZADD', inFlight, now + ARGV[1] + interval, epoch .. ':' .. (sequence + 1))
redis.call('HINCRBY', state, 'sequence', 1)
keep()
return {'Granted', sequence + 1, used + 1, epoch}
`

const releaseLua = `${preamble}
local sequence, used, permitEpoch, kind = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]
local member = permitEpoch .. ':' .. sequence
redis.call('ZREM', inFlight, member)
if kind == 'Unused' then return 0 end
if kind == 'Unknown' then
  redis.call('ZADD', ended, now + 2 * interval, member)
  keep()
  return 0
end
local isHighLevel, isLimited = ARGV[5] == 'true', ARGV[6] == 'true'
local headerMax, remaining, headerInterval = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local dailyRemaining, dailyReset, retryAfter = tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12])
local current = number('sequence') or 0
-- A request of an earlier life of the bucket is as new as can be.
if permitEpoch ~= epoch then
  sequence = current
  used = redis.call('ZCARD', inFlight) + redis.call('ZCARD', ended) + 1
end
local max, maxSequence = number('max'), number('maxSequence') or 0
local isNewest = not max or sequence >= maxSequence
if headerMax then
  if isNewest or headerMax < max then redis.call('HSET', state, 'max', headerMax, 'maxSequence', sequence) end
  if isNewest and headerInterval then
    interval = headerInterval
    redis.call('HSET', state, 'interval', interval)
  end
elseif isHighLevel and not max then
  redis.call('HSET', state, 'max', ${documentedLimit}, 'maxSequence', 0)
end
redis.call('ZADD', ended, now + interval, member)
local grantedAfter = current - sequence
if headerMax and remaining then
  local count = math.max(0, headerMax - remaining - (used + grantedAfter))
  local externalUntil = number('externalUntil') or 0
  if externalUntil <= now or count >= number('externalCount') then
    redis.call('HSET', state, 'externalCount', count, 'externalUntil', count > 0 and now + interval or 0)
  end
end
if dailyRemaining then
  local resetsAt = number('dailyResetsAt') or 0
  if resetsAt <= now or sequence >= number('dailySequence') then
    redis.call('HSET', state, 'dailyRemaining', dailyRemaining, 'dailySequence', sequence,
      'dailyResetsAt', now + (dailyReset or interval), 'dailyIsKnown', dailyReset and 1 or 0)
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
  | readonly ["Granted", sequence: number, used: number, epoch: string]
  | readonly ["Wait", millis: number, isProbe: number]
  | readonly ["DailyLimit", resetsAtMillis: number]

const acquiredOf = (reply: Reply): Acquired => {
  switch (reply[0]) {
    case "Granted":
      return { _tag: "Granted", permit: { sequence: reply[1], used: reply[2], epoch: reply[3] } }
    case "Wait":
      return { _tag: "Wait", millis: reply[1], isProbe: reply[2] === 1 }
    case "DailyLimit":
      return { _tag: "DailyLimit", resetsAtMillis: reply[1] }
  }
}

const observationArguments = (observation: Observation): ReadonlyArray<string> => {
  if (observation._tag !== "Responded") return [observation._tag]
  const { dailyRemaining, dailyResetMillis, intervalMillis, isHighLevel, isLimited, max, remaining, retryAfterMillis } =
    observation
  return [
    "Responded",
    String(isHighLevel),
    String(isLimited),
    ...[max, remaining, intervalMillis, dailyRemaining, dailyResetMillis, retryAfterMillis].map((value) =>
      value === undefined ? "" : String(value)
    )
  ]
}

export const make = (redis: Redis.Redis["Service"], prefix: string): RateLimitStore<Redis.RedisError> => {
  // One hash tag a bucket, so that its keys share a slot of a Redis cluster.
  const keys = ({ app, locationId }: Bucket) => {
    const key = `${prefix}{${encodeURIComponent(app)}:${encodeURIComponent(locationId)}}`
    return [`${key}:inFlight`, `${key}:ended`, `${key}:state`]
  }
  const acquire = redis.eval(
    Redis.script((bucket: Bucket, leaseMillis: number) => [...keys(bucket), leaseMillis], {
      numberOfKeys: 3,
      lua: acquireLua
    }).withReturnType<Reply>()
  )
  const release = redis.eval(
    Redis.script(
      (bucket: Bucket, { epoch, sequence, used }: Permit, observation: Observation) => [
        ...keys(bucket),
        sequence,
        used,
        epoch,
        ...observationArguments(observation)
      ],
      { numberOfKeys: 3, lua: releaseLua }
    )
  )
  return {
    acquire: (bucket, leaseMillis) => Effect.map(acquire(bucket, leaseMillis), acquiredOf),
    release
  }
}
