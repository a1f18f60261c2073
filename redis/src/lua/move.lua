-- prefix, id, new id, owner: 'same', 'bind', 'login' or 'nobody', hash of the principal, principal, version or '', idle,
-- absolute, cookie, grace, how long to remember, most sessions, policy, the store's idle and absolute timeouts, empty
-- content, whether there is new content, content
local h, why = live(ARGV[2])
if not h then return {why} end
-- An id that only leads to a session has been rotated.
if h.forwarded == 1 then return {3} end
if ARGV[7] ~= '' and tonumber(ARGV[7]) ~= h.version then return {2} end
local content = ARGV[18] == '1' and ARGV[19] or h.raw:sub(127)
local before, grace, former = h.bound and h.owner or nil, tonumber(ARGV[11]), h.key
if ARGV[4] == 'bind' or ARGV[4] == 'login' then
  if before and before ~= ARGV[5] then
    if ARGV[4] == 'bind' then return {6} end
    content, grace, h.created, h.cookie, h.deadline = ARGV[17], 0, now, 0, 0
    limit(h, ARGV[15], ARGV[16], '')
  end
  if before ~= ARGV[5] and not join(h, ARGV[5], ARGV[6], tonumber(ARGV[13]), ARGV[14], h.hash) then return {5} end
elseif ARGV[4] == 'nobody' then
  h.flags, h.bound, h.generation = h.flags - h.flags % 2, false, 0
  h.owner, h.principal = string.rep('\0', 32), string.rep('\0', 32)
end
limit(h, ARGV[8], ARGV[9], ARGV[10])
h.version = (h.version + 1) % 4294967296
local key = X .. ':s:' .. ARGV[3]
if not redis.call('SET', key, packed(h, content), 'PX', lifetime(h), 'NX') then return {8} end
redis.call('UNLINK', former)
if before then redis.call('SREM', X .. ':i:' .. before, ARGV[2]) end
if h.bound then
  redis.call('SADD', X .. ':i:' .. h.owner, ARGV[3])
  keep(h.owner, lifetime(h))
end
if grace > 0 then
  redis.call('SET', X .. ':r:' .. ARGV[2], string.char(1) .. ARGV[3], 'PX', grace)
elseif tonumber(ARGV[12]) > 0 then
  redis.call('SET', X .. ':r:' .. ARGV[2], string.char(3), 'PX', ARGV[12])
end
return {1, h.version}
