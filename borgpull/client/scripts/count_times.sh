# After `count`: borg 1.x stores no time before 1970, and none after 2038-01-17 (borg/helpers/time.py, 1.4.5).
# SFTP has 32 bits for a time, so further times would be wrong anyway.
before="! -newermt '1969-12-31 23:59:59 UTC'" after="-newermt '2038-01-17 03:14:07 UTC'"
eval "can '(' $before -o $after ')'" &&
  echo "times $(eval "find \"\$@\" ! -type s '(' $before -o $after ')' -print0" | nuls)"
