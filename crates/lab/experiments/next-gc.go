package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

func init() { register("next-gc", nextGC) }

// Globals that the collector has to look at.
var nextGlobals [512 << 10]*int

func nextGC() {
	nextGlobals[0] = new(int)
	debug.SetGCPercent(100)
	for _, mebibytes := range []int{1, 16, 64} {
		for _, percent := range []int{50, 100, 200} {
			debug.SetGCPercent(percent)
			data := make([]byte, mebibytes<<20)
			runtime.GC()
			runtime.GC()
			var stats runtime.MemStats
			runtime.ReadMemStats(&stats)
			place := mebibytes*1000 + percent
			reportAt("next collection, by live MiB and GOGC (live·1000 + GOGC)", place, float64(stats.NextGC), "bytes")
			if mebibytes == 16 && percent == 100 {
				report("next collection over 1.8 × HeapAlloc", float64(stats.NextGC)/(1.8*float64(stats.HeapAlloc)), "")
				report("next collection over HeapAlloc × (1 + GOGC/100)", float64(stats.NextGC)/(2*float64(stats.HeapAlloc)), "")
			}
			if release() >= 21 {
				live, stack, globals := metric("/gc/heap/live:bytes"), metric("/gc/scan/stack:bytes"), metric("/gc/scan/globals:bytes")
				goal := live + (live+stack+globals)*float64(percent)/100
				if least := 4 << 20 * float64(percent) / 100; goal < least {
					goal = least
				}
				reportAt("next collection over live + (live + stacks + globals) · GOGC/100", place, float64(stats.NextGC)/goal, "")
			}
			runtime.KeepAlive(data)
		}
	}
	runtime.KeepAlive(&nextGlobals)
}

func metric(name string) float64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return float64(sample[0].Value.Uint64())
}
