-- Stores a session. KEYS: session. ARGV: when Redis expires it (Unix ms), field, value, field, value...
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIREAT', KEYS[1], ARGV[1])
return 1
