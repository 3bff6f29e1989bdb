-- Returns the time at which a session begins. Sessions and revocations are ordered by this one server's clock.
-- It also records the last end of all sessions, until which revocations are kept. KEYS: meta. ARGV: lifetime in ms.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local last = now + tonumber(ARGV[1])
if tonumber(redis.call('HGET', KEYS[1], 'end') or 0) < last then
  redis.call('HSET', KEYS[1], 'end', string.format('%.0f', last))
end
return now
