-- KEYS: what is counted. ARGV: interval in us, burst. Gives {which key refuses (0: none), how long to wait in us, now in us}.
-- All or nothing: a refused call uses nothing of any key. What is further ahead than the class allows, as after a change of the
-- class or of the clock, is brought back.
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local interval, full = tonumber(ARGV[1]), tonumber(ARGV[1]) * tonumber(ARGV[2])
local next, which, wait = {}, 0, 0
for i, key in ipairs(KEYS) do
  local tat = tonumber(redis.call('GET', key) or now) or now
  if tat > now + full then
    tat = now + full
    redis.call('SET', key, string.format('%.0f', tat), 'PX', math.ceil(full / 1000))
  end
  next[i] = math.max(tat, now) + interval
  local w = next[i] - full - now
  if w > wait then which, wait = i, w end
end
if which == 0 then
  for i, key in ipairs(KEYS) do
    redis.call('SET', key, string.format('%.0f', next[i]), 'PX', math.ceil((next[i] - now) / 1000))
  end
end
return {which, wait, now}
