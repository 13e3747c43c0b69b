package main

import (
	"runtime/metrics"
	"unsafe"
)

func init() { register("size-classes", sizeClasses) }

func sizeClasses() {
	quiet()
	sample := []metrics.Sample{{Name: "/gc/heap/allocs-by-size:bytes"}}
	metrics.Read(sample)
	// The boundaries are 1, then one more than each class's size, then infinity.
	edges := sample[0].Value.Float64Histogram().Buckets
	report("size classes", float64(len(edges)-2), "classes")
	for i := 1; i < len(edges)-1; i++ {
		if size := int(edges[i]) - 1; size == 16 || size == 32 || size == 1024 {
			reportAt("class, by slot size", size, float64(i), "")
		}
	}
	for _, size := range []int{16, 17, 33, 129, 500, 520, 1025, 2049, 32768, 32769} {
		bytes, _ := allocated(func() { sinkBytes = make([]byte, size) })
		reportAt("slot without pointers, by request", size, float64(bytes), "bytes")
	}
	for _, size := range []int{16, 24, 40, 136, 512, 520, 1024, 2048, 4096, 32768} {
		bytes, _ := allocated(func() { sinkPointers = make([]unsafe.Pointer, size/8) })
		reportAt("slot with pointers, by request", size, float64(bytes), "bytes")
	}
}

var (
	sinkBytes    []byte
	sinkPointers []unsafe.Pointer
)
