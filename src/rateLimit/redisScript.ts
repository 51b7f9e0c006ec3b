/**
 * The rules of `bucket.ts` as one atomic script, on Redis's clock. It applies
 * releases, 13 arguments each, and then, if a lease is given, acquires a permit.
 *
 * Each bucket has two keys. A sorted set holds each request until it no longer counts:
 * as `f` and its permit while in flight, as `e` once it has ended. A string holds the
 * reported limits as words; a word that is no number within bounds is ignored.
 * A set that never gets empty is granted more than eight requests before it expires.
 */
import { documentedIntervalMillis, documentedLimit, probeMillis } from "./bucket.ts"

/** The longest wait that is stored or accepted. */
export const maximumUntilMillis = 48 * 60 * 60 * 1000

export const lua = `
local call, requests, limits = redis.call, KEYS[1], KEYS[2]
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local keptMillis = ${maximumUntilMillis + 2 * 60 * 60 * 1000}

local function within(text, minimum, maximum)
  local value = tonumber(text)
  if value and value >= minimum and value <= maximum then return value end
end

local stored = redis.pcall('GET', limits)
local words = { string.match(type(stored) == 'string' and stored or '', '^(%S+)' .. string.rep(' (%S+)', 10) .. '$') }
local latest = now + ${maximumUntilMillis}
local epoch, sequence = words[1], within(words[2], 0, 9e13)
if not sequence then epoch, sequence = time[1] .. '.' .. time[2], 0 end
local max, maxSequence = within(words[3], 1, 1000000), within(words[4], 0, sequence) or 0
local interval = within(words[5], 1, 3600000) or ${documentedIntervalMillis}
local blockedUntil = within(words[6], 0, latest) or 0
local externalCount, externalUntil = within(words[7], 0, 1000000) or 0, within(words[8], 0, latest) or 0
local dailyRemaining, dailySequence = within(words[9], 0, 1000000), within(words[10], 0, sequence) or 0
local dailyResetsAt = within(words[11], 0, latest) or 0

for i = 2, #ARGV, 13 do
  local permitEpoch, permitSequence, used, kind = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), ARGV[i + 4]
  local at = now - ARGV[i + 3]
  local member = permitEpoch .. ':' .. permitSequence
  local isOfEpoch = permitEpoch == epoch
  if kind == 'Responded' then
    local isHighLevel, isLimited = ARGV[i + 5] == 'true', ARGV[i + 6] == 'true'
    local headerMax, remaining = within(ARGV[i + 7], 1, 1000000), within(ARGV[i + 8], 0, 1000000)
    local headerInterval = within(ARGV[i + 9], 1, 3600000)
    local headerDaily, reset = within(ARGV[i + 10], 0, 1000000), within(ARGV[i + 11], 1, ${maximumUntilMillis})
    if not isOfEpoch then
      permitSequence, used = sequence, call('ZCOUNT', requests, '(' .. at, '+inf') + 1
    end
    local isNewest = not max or permitSequence >= maxSequence
    if headerMax then
      if isNewest or headerMax < max then max, maxSequence = headerMax, permitSequence end
      if isNewest and headerInterval then interval = headerInterval end
    elseif isHighLevel and not max then
      max, maxSequence = ${documentedLimit}, 0
    end
    call('ZADD', requests, at + interval, 'e' .. member)
    if headerMax and remaining then
      local count = math.max(0, headerMax - remaining - (used + sequence - permitSequence))
      if count >= externalCount or externalUntil <= at then
        externalCount, externalUntil = count, count > 0 and at + interval or 0
      end
    end
    if headerDaily and (not dailyRemaining or permitSequence >= dailySequence) then
      dailyRemaining, dailySequence, dailyResetsAt = headerDaily, permitSequence, at + reset
    end
    if isLimited then
      blockedUntil = math.max(blockedUntil, at + (within(ARGV[i + 12], 0, ${maximumUntilMillis}) or interval))
    end
  elseif kind == 'Unknown' then
    call('ZADD', requests, at + 2 * interval, 'e' .. member)
  end
  if call('ZREM', requests, 'f' .. member) == 0 then
    call('PEXPIRE', requests, keptMillis)
  elseif kind == 'Unused' and isOfEpoch and dailyRemaining and permitSequence > dailySequence then
    dailyRemaining = dailyRemaining + 1
  end
end

local function isInFlight()
  for _, member in ipairs(call('ZRANGE', requests, 0, -1)) do
    if string.sub(member, 1, 1) == 'f' then return true end
  end
end

local function acquire(leaseMillis)
  call('ZREMRANGEBYSCORE', requests, '-inf', now)
  local isExhausted = dailyRemaining and dailyRemaining - (sequence - dailySequence) <= 0
  if dailyRemaining and dailyResetsAt <= now then
    if isExhausted then max = nil end
    dailyRemaining, isExhausted = nil, false
  end
  if isExhausted then
    if isInFlight() then return {'Wait', ${probeMillis}, 1} end
    return {'DailyLimit', dailyResetsAt - now}
  end
  if blockedUntil > now then return {'Wait', blockedUntil - now, 0} end
  local used = call('ZCARD', requests)
  if not max then
    if used > 0 and isInFlight() then return {'Wait', ${probeMillis}, 1} end
  else
    local available = max
    if externalUntil > now then available = max - externalCount end
    if used >= available then
      local oldest = call('ZRANGE', requests, used - available, used - available, 'WITHSCORES')
      local freed = now + interval
      if oldest[1] and string.sub(oldest[1], 1, 1) == 'e' then freed = tonumber(oldest[2]) end
      if externalUntil > now then freed = math.min(freed, externalUntil) end
      return {'Wait', math.max(1, math.ceil(freed - now)), 0}
    end
  end
  sequence = sequence + 1
  call('ZADD', requests, now + leaseMillis + 2 * interval, 'f' .. epoch .. ':' .. sequence)
  if used == 0 or sequence % 8 == 0 then call('PEXPIRE', requests, keptMillis) end
  return {'Granted', sequence, used + 1, epoch, max or 0}
end

local reply = ARGV[1] ~= '' and acquire(ARGV[1]) or {}
local state = table.concat({ epoch, sequence, max or '-', maxSequence, interval, blockedUntil, externalCount,
  externalUntil, dailyRemaining or '-', dailySequence, dailyResetsAt }, ' ')
if state ~= stored then call('SET', limits, state, 'PX', keptMillis) end
return reply
`
