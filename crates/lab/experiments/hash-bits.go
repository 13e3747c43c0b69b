package main

import "unsafe"

func init() { register("hash-bits", hashBits) }

func hashBits() {
	const n = 6000
	m := filled(n, n)
	kept = m
	hash := mapType(m).hasher
	low, five, tops := 0, 0, 0
	if !isSwiss() {
		h := classicOf(m)
		for b := 0; b < 1<<h.log; b++ {
			for bucket := unsafe.Add(h.buckets, b*144); bucket != nil; bucket = *(*unsafe.Pointer)(unsafe.Add(bucket, 136)) {
				for i := 0; i < 8; i++ {
					top := *(*uint8)(unsafe.Add(bucket, i))
					if top < 5 {
						continue
					}
					key := unsafe.Add(bucket, 8+8*i)
					code := hash(key, uintptr(h.seed))
					low += int(truth(int(code)&(1<<h.log-1) == b))
					five += int(truth(int(code)&31 == b))
					want := uint8(code >> 56)
					if want < 5 {
						want += 5
					}
					tops += int(truth(want == top))
				}
			}
		}
	} else {
		s := swissOf(m)
		for _, t := range tables(m) {
			for g := 0; g <= int(t.mask); g++ {
				group := unsafe.Add(t.groups, g*136)
				for i := 0; i < 8; i++ {
					control := *(*uint8)(unsafe.Add(group, i))
					if control >= 0x80 {
						continue
					}
					code := hash(unsafe.Add(group, 8+16*i), s.seed)
					table := *(**peekTable)(unsafe.Add(s.directory, int(uint64(code)>>(s.shift&63))*8))
					low += int(truth(table == t))
					five += int(truth(int(code)&31 == g))
					tops += int(truth(uint8(code)&0x7f == control))
				}
			}
		}
	}
	if isSwiss() {
		report("share of keys whose top bits name their table", float64(low)/n, "")
		report("share of keys whose low seven bits are their control byte", float64(tops)/n, "")
	} else {
		report("share of keys whose low B bits name their bucket", float64(low)/n, "")
		report("share of keys whose top byte is their hash top", float64(tops)/n, "")
	}
	report("share of keys whose low five bits name their bucket or group", float64(five)/n, "")
}
