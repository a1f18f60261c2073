-- prefix, id, whether to touch
local h, why = live(ARGV[2])
if not h then return {why} end
local left, changed = redis.call('PTTL', h.key), 0
if ARGV[3] == '1' then left, changed = touch(h) end
return {1, h.raw, left, now, changed, h.forwarded}
