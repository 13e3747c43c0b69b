package main

import (
	"os"
	"reflect"
	"runtime"
	"strconv"
	"strings"
)

func init() { register("mem-stats", memStats) }

func memStats() {
	fields := 0
	t := reflect.TypeOf(runtime.MemStats{})
	for i := 0; i < t.NumField(); i++ {
		name := strings.ToLower(t.Field(i).Name)
		if strings.Contains(name, "rss") || strings.Contains(name, "resident") {
			fields++
		}
	}
	report("fields of MemStats with the resident set", float64(fields), "fields")
	m := filled(500_000, 0)
	kept = m
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	report("Sys less the sum of its parts", float64(stats.Sys)-float64(stats.HeapSys+stats.StackSys+stats.MSpanSys+
		stats.MCacheSys+stats.BuckHashSys+stats.GCSys+stats.OtherSys), "bytes")
	report("HeapSys less HeapInuse and HeapIdle", float64(stats.HeapSys)-float64(stats.HeapInuse+stats.HeapIdle), "bytes")
	kept = nil
	runtime.GC()
	runtime.ReadMemStats(&stats)
	report("HeapSys holds idle memory when a large map has gone", truth(stats.HeapIdle > 8<<20), "")
	text, _ := os.ReadFile("/proc/self/statm")
	parts := strings.Fields(string(text))
	if len(parts) > 1 {
		pages, _ := strconv.Atoi(parts[1])
		resident := float64(pages * os.Getpagesize())
		report("Sys is the resident set", truth(resident > 0.99*float64(stats.Sys) && resident < 1.01*float64(stats.Sys)), "")
	}
}
