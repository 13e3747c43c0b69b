package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"runtime"
	"runtime/pprof"
	"strings"
)

func init() { register("profiles", profiles) }

//go:noinline
func profiledFill(n int) map[int]int {
	m := make(map[int]int)
	for i := 0; i < n; i++ {
		m[i] = i
	}
	return m
}

func profiles() {
	report("bytes between samples unless set", float64(firstMemProfileRate), "bytes")
	rate := runtime.MemProfileRate
	runtime.SetBlockProfileRate(1)
	report("switching on the blocking profile switches on the heap profile", truth(runtime.MemProfileRate != rate), "")
	runtime.SetBlockProfileRate(0)

	runtime.MemProfileRate = 1
	m := profiledFill(100_000)
	runtime.KeepAlive(m)
	m = nil
	for i := 0; i < 3; i++ {
		runtime.GC()
	}
	records := make([]runtime.MemProfileRecord, 4096)
	n, ok := runtime.MemProfile(records, true)
	if !ok {
		fail("more than %d records", len(records))
	}
	var allocated, inUse int64
	for _, record := range records[:n] {
		frames := runtime.CallersFrames(record.Stack())
		for {
			frame, more := frames.Next()
			if strings.HasSuffix(frame.Function, ".profiledFill") {
				allocated += record.AllocBytes
				inUse += record.InUseBytes()
				break
			}
			if !more {
				break
			}
		}
	}
	report("a dropped map is in alloc_space", truth(allocated > 1<<20), "")
	report("share of a dropped map that is in inuse_space", float64(inUse)/float64(allocated), "")

	var packed bytes.Buffer
	if err := pprof.Lookup("heap").WriteTo(&packed, 0); err != nil {
		fail("%v", err)
	}
	reader, err := gzip.NewReader(&packed)
	if err != nil {
		fail("%v", err)
	}
	text, err := io.ReadAll(reader)
	if err != nil {
		fail("%v", err)
	}
	has := func(name string) float64 { return truth(bytes.Contains(text, []byte(name))) }
	report("a heap profile names the function that filled a map", has("profiledFill"), "")
	report("a heap profile names runtime.mapassign", has("runtime.mapassign"), "")
	report("a heap profile names runtime.makemap", has("runtime.makemap"), "")
	runtime.MemProfileRate = 0
}
