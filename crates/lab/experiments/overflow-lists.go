package main

func init() { register("overflow-lists", overflowLists) }

func overflowLists() {
	if isSwiss() {
		return
	}
	one := 1
	ints, pointers := map[int]int{}, map[int]*int{}
	for i := 0; i < 10_000; i++ {
		ints[key(i)] = i
		pointers[key(i)] = &one
	}
	has := func(h *peekClassic) float64 { return truth(h.extra != nil && h.extra.overflow != nil) }
	report("map[int]int lists its overflow buckets", has(classicOf(ints)), "")
	report("map[int]*int lists its overflow buckets", has(classicOf(pointers)), "")
	kept = []any{ints, pointers}
}
