package main

import "unsafe"

func init() { register("delete-marks", deleteMarks) }

const markKey = 0x1122334455667700

func deleteMarks() {
	m := make(map[int]int)
	kept = m
	for i := 0; i < 8; i++ {
		m[markKey+i] = 77
	}
	var array unsafe.Pointer
	var keyAt, elemAt func(i int) unsafe.Pointer
	if isSwiss() {
		array = swissOf(m).directory
		keyAt = func(i int) unsafe.Pointer { return unsafe.Add(array, 8+16*i) }
		elemAt = func(i int) unsafe.Pointer { return unsafe.Add(array, 16+16*i) }
	} else {
		array = classicOf(m).buckets
		keyAt = func(i int) unsafe.Pointer { return unsafe.Add(array, 8+8*i) }
		elemAt = func(i int) unsafe.Pointer { return unsafe.Add(array, 72+8*i) }
	}
	mark := func(i int) float64 { return float64(*(*uint8)(unsafe.Add(array, i))) }
	delete(m, markKey+3)
	report("mark of an entry deleted amid others, one bucket or group", mark(3), "")
	report("its key is still in the slot", truth(*(*int)(keyAt(3)) == markKey+3), "")
	report("its elem is still in the slot", truth(*(*int)(elemAt(3)) == 77), "")
	delete(m, markKey+7)
	report("mark of the last entry deleted, one bucket or group", mark(7), "")

	texts := map[string]int{"a": 1, "b": 2, "c": 3}
	kept = texts
	var first unsafe.Pointer
	if isSwiss() {
		first = unsafe.Add(swissOf(texts).directory, 8)
	} else {
		first = unsafe.Add(classicOf(texts).buckets, 8)
	}
	name := *(*string)(first)
	delete(texts, name)
	report("a deleted key with pointers is still in the slot", truth(*(*uintptr)(first) != 0), "")

	if !isSwiss() {
		return
	}
	// A full group of a table, and one with room.
	big := filled(800, 800)
	kept = big
	full, room := false, false
	for _, t := range tables(big) {
		for g := 0; g <= int(t.mask); g++ {
			group := unsafe.Add(t.groups, g*136)
			empty := -1
			for i := 0; i < 8; i++ {
				if *(*uint8)(unsafe.Add(group, i)) == 0x80 {
					empty = i
				}
			}
			victim := 0
			if empty == 0 {
				victim = 1
			}
			if *(*uint8)(unsafe.Add(group, victim)) >= 0x80 {
				continue
			}
			if empty < 0 && !full {
				full = true
				delete(big, *(*int)(unsafe.Add(group, 8+16*victim)))
				report("mark of an entry deleted from a full group", float64(*(*uint8)(unsafe.Add(group, victim))), "")
			} else if empty >= 0 && !room {
				room = true
				delete(big, *(*int)(unsafe.Add(group, 8+16*victim)))
				report("mark of an entry deleted from a group with room", float64(*(*uint8)(unsafe.Add(group, victim))), "")
			}
		}
	}
}
