-- prefix, id, version or '', idle, absolute, cookie, whether there is new content, content
local h, why = live(ARGV[2])
if not h then return {why} end
if ARGV[3] ~= '' and tonumber(ARGV[3]) ~= h.version then return {2} end
if ARGV[7] == '0' and ARGV[4] == '' and ARGV[5] == '' and ARGV[6] == '' then
  touch(h)
  return {1, h.version, h.hash}
end
limit(h, ARGV[4], ARGV[5], ARGV[6])
h.version = (h.version + 1) % 4294967296
-- The key exists, and nothing runs beside a script. XX says so again.
redis.call('SET', h.key, packed(h, ARGV[7] == '1' and ARGV[8] or h.raw:sub(127)), 'PX', lifetime(h), 'XX')
if h.bound then keep(h.owner, lifetime(h)) end
return {1, h.version, h.hash}
