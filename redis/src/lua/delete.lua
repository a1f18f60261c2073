-- prefix, id, hash of the principal to which it must belong or '', how long to remember
local h, why = live(ARGV[2])
if ARGV[3] ~= '' and (not h or h.owner ~= ARGV[3] or h.forwarded == 1) then return {1, 0} end
if not h then
  -- A record that this version cannot read ends too.
  if why == 9 then redis.call('UNLINK', X .. ':s:' .. ARGV[2]) end
  return {1, why == 9 and 1 or 0}
end
redis.call('UNLINK', h.key)
if h.bound then redis.call('SREM', X .. ':i:' .. h.owner, h.hash) end
if tonumber(ARGV[4]) > 0 then
  redis.call('SET', X .. ':r:' .. ARGV[2], string.char(4), 'PX', ARGV[4])
elseif h.forwarded == 1 then
  redis.call('UNLINK', X .. ':r:' .. ARGV[2])
end
return {1, 1, h.hash}
