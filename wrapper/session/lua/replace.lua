-- Ends a session in its record, which goes soon after. Never makes a record of none. KEYS: session. ARGV: why, ms until it is forgotten.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'ended', ARGV[1])
if redis.call('PTTL', KEYS[1]) > tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1
