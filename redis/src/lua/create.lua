-- prefix, id, idle, absolute, cookie, audience, hash of the principal or '', principal, most sessions, policy, content
local zeros = string.rep('\0', 32)
local h = {flags = 0, version = 0, deadline = 0, created = now, generation = 0, audience = ARGV[6],
  owner = zeros, principal = zeros, hash = ARGV[2], key = X .. ':s:' .. ARGV[2]}
limit(h, ARGV[3], ARGV[4], ARGV[5])
if redis.call('EXISTS', h.key) == 1 then return {8} end
if ARGV[7] ~= '' and not join(h, ARGV[7], ARGV[8], tonumber(ARGV[9]), ARGV[10], '') then return {5} end
redis.call('SET', h.key, packed(h, ARGV[11]), 'PX', lifetime(h), 'NX')
if h.bound then
  redis.call('SADD', X .. ':i:' .. h.owner, h.hash)
  keep(h.owner, lifetime(h))
end
return {1}
