package main

func init() { register("overflow-growth", overflowGrowth) }

// A window of keys slides through a map of constant length: its buckets get
// overflow buckets, though it never holds more than a part of its room.
func overflowGrowth() {
	quiet()
	for _, log := range []int{4, 6, 8, 10} {
		slide(log)
	}
}

func slide(log int) {
	// Nearly as many entries as fit without growing.
	n := loadByTwo() << log / 2 * 9 / 10
	m := filled(n, n)
	kept = m
	room, before := slots(m), uint64(0)
	if !isSwiss() && room != 8<<log {
		fail("a map made for %d entries has %d slots", n, room)
	}
	grew := isSwiss()
	for i := 0; i < 100*n; i++ {
		if !isSwiss() {
			before = uint64(classicOf(m).noverflow)
		}
		delete(m, key(i))
		m[key(n+i)] = i
		if !grew && classicOf(m).old != nil {
			grew = true
			reportAt("overflow buckets counted when the map is first made anew, by log2 of buckets", log, float64(before), "buckets")
		}
	}
	reportAt("times as many slots after a hundred windows, by log2 of buckets", log, float64(slots(m))/float64(room), "")
}
