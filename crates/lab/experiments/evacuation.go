package main

func init() { register("evacuation", evacuation) }

func evacuation() {
	quiet()
	n := loadByTwo() << 14 / 2
	m := filled(n, n)
	kept = m
	room := slots(m)
	m[key(n)] = 1 // grows a classic map; a Swiss map of many tables grows table by table
	if isSwiss() {
		_, objects := allocated(func() {
			for i := 0; i < n; i++ {
				delete(m, key(i))
			}
		})
		report("objects allocated by deletes while the map grows", float64(objects), "objects")
	} else {
		if slots(m) != 2*room {
			fail("the map did not grow: %d slots, %d before", slots(m), room)
		}
		h := classicOf(m)
		moved := uintptr(0)
		_, objects := allocated(func() {
			for i := 0; i < n && h.old != nil; i++ {
				delete(m, key(i))
				if h.old != nil {
					moved = h.evacuated
				}
			}
		})
		report("objects allocated by deletes while the map grows", float64(objects), "objects")
		report("deletes move buckets", truth(moved > 100), "")
	}
	settled := filled(n, n)
	kept = settled
	_, objects := allocated(func() {
		for i := 0; i < n; i++ {
			delete(settled, key(i))
		}
	})
	report("objects allocated by deletes from a settled map", float64(objects), "objects")

	if isSwiss() {
		return
	}
	// How many buckets one write moves, counted from the marks of those that were.
	few := loadByTwo() << 8 / 2
	grown := filled(few, few)
	kept = grown
	h := classicOf(grown)
	grown[key(-1)] = 1
	old := h.old
	length := 1 << (h.log - 1)
	report("old buckets of a map that doubles, over new ones", float64(length)/float64(int(1)<<h.log), "")
	before, writes, most := countMoved(old, length), 0, 0
	first := before
	for i := 0; h.old != nil; i++ {
		grown[key(i)] = i // already there: it grows nothing
		writes++
		if h.old == nil {
			break
		}
		now := countMoved(old, length)
		if now-before > most {
			most = now - before
		}
		before = now
	}
	report("most old buckets that one write moves", float64(most), "buckets")
	report("old buckets that a write moves, on average", float64(length-first)/float64(writes), "buckets")
}
