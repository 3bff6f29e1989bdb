-- Notes a use. Never makes a session of none. KEYS: session. ARGV: now in ms.
local last = redis.call('HGET', KEYS[1], 'last')
if not last then return 0 end
if tonumber(last) < tonumber(ARGV[1]) then redis.call('HSET', KEYS[1], 'last', ARGV[1]) end
return 1
