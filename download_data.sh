#!/usr/bin/env bash
# Fetches published data from its publishers into data/: resumes, and verifies every file by checksum.
#
#   ./download_data.sh                  everything
#   ./download_data.sh --list           what there is, and what reads it
#   ./download_data.sh traces           only the names that begin so
#   options: --to DIR (data), --manifest FILE (rows of the table below, to fetch other things)
#
# Nothing of it is needed to run, test or demonstrate Moonjelly.
set -euo pipefail
cd "$(dirname "$0")"

# name | kind of checksum | checksum, or as many of its first digits as the publisher tells (8 at least) | URL
table='
traces/jellyfish_lte_upload_mbps.txt | sha256 | 1bcf6187c9891725b3d0626ff347e51bba9f91d501c210e830271cf01f7ea9ea | https://raw.githubusercontent.com/vuhpdc/jellyfish/295974d3240e541fb5e3a24691afbe68a3fe7c07/network_shaping/lte_upload_trace.txt
traces/jellyfish_wifi_mbps.txt | sha256 | 7de36994b8400f898d53bf20251aa043675f6c547bca8bf69096e13082bbf4a7 | https://raw.githubusercontent.com/vuhpdc/jellyfish/295974d3240e541fb5e3a24691afbe68a3fe7c07/network_shaping/wifi_trace.txt
coco/val2017.zip | sha1 | 4950dc9d00dbe1c933ee0170f5797584351d2a41 | http://images.cocodataset.org/zips/val2017.zip
coco/annotations_trainval2017.zip | sha1 | 8551ee4bb5860311e79dace7e79cb91e432e78b3 | http://images.cocodataset.org/annotations/annotations_trainval2017.zip
weights/yolov4.cfg | sha256 | a6d0f8e5c62cc8378384f75a8159b95fa2964d4162e33351b00ac82e0fc46a34 | https://raw.githubusercontent.com/AlexeyAB/darknet/59596d7880f6504768df41d6daa586f5cb2b932f/cfg/yolov4.cfg
weights/yolov4.weights | sha1 | 0143deb6c46fcc7f74dd35bf3c14edc3784e99ee | https://github.com/AlexeyAB/darknet/releases/download/yolov4/yolov4.weights
'

# name | what reads it
readers='
traces/* | moonjelly client --link FILE; moonjelly experiment run, as trace: of its file
coco/* | moonjelly zoo measure --images FOLDER --annotations FILE, unpacked: val2017, annotations/instances_val2017.json
weights/* | moonjelly zoo add yolov4.cfg yolov4.weights
'

fail() { echo "download_data.sh: error: $*" >&2; exit "${status:-2}"; }

target=data prefixes=() is_list=false
while [ $# -gt 0 ]; do
  case "$1" in
    --to) [ $# -ge 2 ] || fail "--to: needs a folder"; target=$2; shift 2 ;;
    --manifest) [ -f "${2:-}" ] || fail "--manifest ${2:-}: not a file"; table=$(cat -- "$2"); shift 2 ;;
    --list) is_list=true; shift ;;
    -h|--help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) fail "$1: unknown option; see --help" ;;
    *) prefixes+=("$1"); shift ;;
  esac
done
command -v curl >/dev/null || fail "curl is not installed"

is_wanted() {
  [ ${#prefixes[@]} -eq 0 ] && return 0
  local prefix
  for prefix in "${prefixes[@]}"; do [[ $1 == "$prefix"* ]] && return 0; done
  return 1
}

tell_readers() {
  local pattern commands
  while IFS='|' read -r pattern commands; do
    # shellcheck disable=SC2053  # it is a pattern
    if [[ -n $pattern && $1 == ${pattern// /} ]]; then echo "    read by:$commands"; fi
  done <<<"$readers"
}

is_intact() { [[ $("${2}sum" -- "$1") == "$3"* ]]; }

fetch() {
  local curl=(curl --fail --location --silent --show-error --retry 3 --output "$2") status=0
  "${curl[@]}" --continue-at - "$1" || status=$?
  if [ $status -eq 33 ]; then # this server cannot resume
    rm -f -- "$2"
    "${curl[@]}" "$1" && return 0 || return 1
  fi
  return $status
}

num_wanted=0 num_failed=0
while IFS='|' read -r name kind checksum url; do
  name=${name// /} kind=${kind// /} checksum=${checksum// /} url=${url// /}
  [ -n "$name" ] || continue
  is_wanted "$name" || continue
  num_wanted=$((num_wanted + 1))
  if $is_list; then echo "$name  $url"; tell_readers "$name"; continue; fi
  case "$kind" in sha1|sha256) ;; *) fail "$name: kind of checksum '$kind' is neither sha1 nor sha256" ;; esac
  [[ $checksum =~ ^[0-9a-f]{8,64}$ ]] || fail "$name: checksum '$checksum' is not 8 to 64 digits of 0-9a-f"
  [[ $name != /* && $name != *..* ]] || fail "$name: a name stays inside the target folder"
  file=$target/$name
  if [ -f "$file" ] && is_intact "$file" "$kind" "$checksum"; then echo "$name: have it"; continue; fi
  mkdir -p "$(dirname "$file")"
  echo "$name: fetching"
  # A partial file stays for the next try; the name itself appears only once the checksum agrees.
  if [ -f "$file.part" ] && is_intact "$file.part" "$kind" "$checksum"; then
    mv -- "$file.part" "$file"
  elif ! fetch "$url" "$file.part"; then
    echo "$name: could not be fetched from $url; run again to resume, or it may be gone" >&2
    num_failed=$((num_failed + 1))
  elif ! is_intact "$file.part" "$kind" "$checksum"; then
    rm -f -- "$file.part"
    echo "$name: what $url sent is not the file we know ($kind differs); removed" >&2
    num_failed=$((num_failed + 1))
  else
    mv -- "$file.part" "$file"
  fi
done <<<"$table"

[ "$num_wanted" -gt 0 ] || fail "no such name: ${prefixes[*]}; see --list"
status=1
[ "$num_failed" -eq 0 ] || fail "$num_failed of $num_wanted files are missing"
