package main

import "runtime/metrics"

func init() { register("values-or-pointers", valuesOrPointers) }

const valued = 20_000

func valuesOrPointers() {
	quiet()
	liveObjects()
	scanned()
	compare[[8]byte](8)
	compare[[64]byte](64)
	compare[[128]byte](128)
	compare[[256]byte](256)
	compare[[1024]byte](1024)
}

func compare[T any](size int) {
	beforeBytes, beforeObjects := liveObjects()
	beforeScan := scanned()
	values := make(map[int]T, valued)
	var zero T
	for i := 0; i < valued; i++ {
		values[key(i)] = zero
	}
	kept = values
	bytes, objects := liveObjects()
	reportAt("objects of map[int]T, by size of T", size, change(beforeObjects, objects), "objects")
	reportAt("bytes of map[int]T, by size of T", size, change(beforeBytes, bytes), "bytes")
	if release() >= 21 {
		reportAt("bytes that a collection looks at in map[int]T, by size of T", size, scanned()-beforeScan, "bytes")
	}
	kept, values = nil, nil

	beforeBytes, beforeObjects = liveObjects()
	beforeScan = scanned()
	pointers := make(map[int]*T, valued)
	for i := 0; i < valued; i++ {
		pointers[key(i)] = new(T)
	}
	kept = pointers
	bytes, objects = liveObjects()
	reportAt("objects of map[int]*T, by size of T", size, change(beforeObjects, objects), "objects")
	reportAt("bytes of map[int]*T, by size of T", size, change(beforeBytes, bytes), "bytes")
	if release() >= 21 {
		reportAt("bytes that a collection looks at in map[int]*T, by size of T", size, scanned()-beforeScan, "bytes")
	}
	kept = nil
}

// scanned is how many bytes of the heap can hold pointers, after a collection.
func scanned() float64 {
	sample := []metrics.Sample{{Name: "/gc/scan/heap:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return float64(sample[0].Value.Uint64())
}
