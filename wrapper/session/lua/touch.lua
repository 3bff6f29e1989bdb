-- Records a use. Never creates a session, and ignores a replaced one. KEYS: session. ARGV: now in ms.
local found = redis.call('HMGET', KEYS[1], 'last', 'ended')
if not found[1] or found[2] then return 0 end
if tonumber(found[1]) < tonumber(ARGV[1]) then redis.call('HSET', KEYS[1], 'last', ARGV[1]) end
return 1
