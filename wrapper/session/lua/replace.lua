-- Marks a session's record as ended and lets it expire soon. Never creates a record. KEYS: session. ARGV: reason, ms until it expires.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'ended', ARGV[1])
if redis.call('PTTL', KEYS[1]) > tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1
