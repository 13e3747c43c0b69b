package main

import (
	"runtime"
	"runtime/debug"
)

func init() { register("fragmentation", fragmentation) }

type (
	small  [16]byte
	middle [32]byte
)

func fragmentation() {
	quiet()
	const count = 512 << 10
	fill := func() []*small {
		list := make([]*small, count)
		for i := range list {
			list[i] = new(small)
		}
		return list
	}
	stats := func() (s runtime.MemStats) {
		runtime.ReadMemStats(&s)
		return s
	}
	grow := func() float64 {
		before := stats()
		list := make([]*middle, count/4)
		for i := range list {
			list[i] = new(middle)
		}
		after := stats()
		runtime.KeepAlive(list)
		return change(before.HeapInuse, after.HeapInuse)
	}
	// Every second object stays: each span of 16-byte slots is half full.
	list := fill()
	for i := 0; i < count; i += 2 {
		list[i] = nil
	}
	runtime.GC()
	report("span bytes that 4 MiB of 32-byte objects add, every second 16-byte one freed", grow(), "bytes")
	runtime.GC()
	debug.FreeOSMemory()
	returned := stats()
	report("span bytes in use after FreeOSMemory, every second freed", float64(returned.HeapInuse)-8*count, "bytes")
	runtime.KeepAlive(list)

	// Whole spans go.
	list = fill()
	runtime.GC()
	full := stats()
	for i := range list {
		list[i] = nil
	}
	runtime.GC()
	idle := stats()
	report("span bytes that go back to the page allocator, all freed", change(idle.HeapInuse, full.HeapInuse), "bytes")
	sys := stats().HeapSys
	grow()
	report("bytes by which the heap grows for 32-byte objects then", change(sys, stats().HeapSys), "bytes")
	debug.FreeOSMemory()
	after := stats()
	report("share of free pages that FreeOSMemory returns", float64(after.HeapReleased)/float64(after.HeapIdle), "")
	runtime.KeepAlive(list)
}
