package main

func init() { register("delete-memory", deleteMemory) }

func deleteMemory() {
	quiet()
	const n = 180_000
	before := live()
	m := filled(n, 0)
	kept = m
	full := change(before, live())
	report("bytes of a map with 180,000 entries", full, "bytes")
	linked := 0
	if !isSwiss() {
		linked, _ = chains(m)
	}
	for i := 0; i < n; i++ {
		delete(m, key(i))
	}
	report("share of them that deleting every entry leaves", change(before, live())/full, "")
	if !isSwiss() {
		left, _ := chains(m)
		report("share of overflow buckets that deleting leaves linked", float64(left)/float64(linked), "")
	}
	m = make(map[int]int, len(m))
	kept = m
	report("share left by a map made for len(m) after deleting", change(before, live())/full, "")

	m = filled(n, 0)
	kept = m
	full = change(before, live())
	m = make(map[int]int, len(m))
	kept = m
	report("share left by a map made for len(m) before deleting", change(before, live())/full, "")

	m = filled(n, 0)
	kept = m
	full = change(before, live())
	if !isSwiss() {
		linked, _ = chains(m)
	}
	// The compiler turns this loop into one call that clears the map.
	for k := range m {
		delete(m, k)
	}
	report("share left by a loop that deletes every key in range", change(before, live())/full, "")
	if !isSwiss() {
		left, _ := chains(m)
		report("share of overflow buckets that such a loop leaves linked", float64(left)/float64(linked), "")
	}
	for i := 0; i < n; i++ {
		m[key(i)] = i
	}
	report("share in use once it is filled again", change(before, live())/full, "")

	m = filled(n, 0)
	kept = m
	for i := n / 20; i < n; i++ {
		delete(m, key(i))
	}
	fresh := make(map[int]int, len(m))
	for k, v := range m {
		fresh[k] = v
	}
	m = fresh
	kept = m
	report("share left by a copy of the twentieth that stays", change(before, live())/full, "")
	kept, m, fresh = nil, nil, nil
	report("share left when nothing refers to the map", change(before, live())/full, "")
}
