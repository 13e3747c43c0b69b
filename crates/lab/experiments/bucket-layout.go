package main

import "unsafe"

func init() { register("bucket-layout", bucketLayout) }

type bucketKey struct{ X int }

func bucketLayout() {
	ints := map[int]int{}
	group := mapType(ints).group
	report("bucket or group of map[int]int", float64(group.size), "bytes")
	report("its alignment", float64(group.align), "bytes")
	wide := map[bucketKey][4]int{}
	report("bucket or group of map[struct{ X int }][4]int", float64(mapType(wide).group.size), "bytes")
	report("an entry of that", float64(unsafe.Sizeof(bucketKey{})+unsafe.Sizeof([4]int{})), "bytes")

	const k, e = 0x1122334455667788, 0x55aa55aa33cc33cc
	ints[k] = e
	var array unsafe.Pointer
	if isSwiss() {
		array = swissOf(ints).directory
	} else {
		array = classicOf(ints).buckets
	}
	for offset := uintptr(0); offset < group.size; offset += 8 {
		switch *(*int)(unsafe.Add(array, offset)) {
		case k:
			report("place of the first key", float64(offset), "bytes")
		case e:
			report("place of the first elem", float64(offset), "bytes")
		}
	}
}
