-- The moment at which a session begins. All beginnings and revocations are ordered by this one server's clock.
-- KEYS: meta. ARGV: lifetime in ms. The last end of all sessions is noted: revocations are kept until then.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local last = now + tonumber(ARGV[1])
if tonumber(redis.call('HGET', KEYS[1], 'end') or 0) < last then
  redis.call('HSET', KEYS[1], 'end', string.format('%.0f', last))
end
return now
