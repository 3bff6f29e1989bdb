-- Merges one revocation into the list, gives the entry a new number and publishes it.
-- KEYS: meta, entries by field, fields by number, fields by end.
-- ARGV: channel, name for a new list, field, before ms (0: now), epoch, lifetime ms, kept ms, until ms (0: computed), reason.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
for _, f in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', now, 'LIMIT', 0, 200)) do
  redis.call('HDEL', KEYS[2], f)
  redis.call('ZREM', KEYS[3], f)
  redis.call('ZREM', KEYS[4], f)
end
redis.call('HSETNX', KEYS[1], 'log', ARGV[2])
local field, before, epoch, till = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[8])
if before == 0 then before = now end
if till == 0 then
  local last = tonumber(redis.call('HGET', KEYS[1], 'end') or 0)
  till = math.max(last, math.max(before, now) + tonumber(ARGV[6])) + tonumber(ARGV[7])
end
local old = redis.call('HGET', KEYS[2], field)
if old then
  local b, e, u = string.match(old, '^(%d+) (%d+) (%d+) ')
  before, epoch, till = math.max(before, tonumber(b)), math.max(epoch, tonumber(e)), math.max(till, tonumber(u))
end
-- Whatever the entry held: at most two hours ahead, and at most 368 days, a little more than the longest session.
before, till = math.min(before, now + 7200000), math.min(till, now + 31795200000)
local seq = redis.call('HINCRBY', KEYS[1], 'seq', 1)
local value = string.format('%.0f %.0f %.0f %.0f ', before, epoch, till, seq) .. ARGV[9]
redis.call('HSET', KEYS[2], field, value)
redis.call('ZADD', KEYS[3], seq, field)
redis.call('ZADD', KEYS[4], string.format('%.0f', till), field)
redis.pcall('PUBLISH', ARGV[1], 'cut ' .. value .. '\n' .. field)
return value
