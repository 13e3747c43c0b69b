package main

func init() { register("inline-limit", inlineLimit) }

func inlineLimit() {
	quiet()
	elemCells[[8]byte](8)
	elemCells[[64]byte](64)
	elemCells[[128]byte](128)
	elemCells[[129]byte](129)
	elemCells[[256]byte](256)
	elemCells[[1024]byte](1024)
	keyCells[[64]byte](64, func(i int) (k [64]byte) { k[0] = byte(i); return k })
	keyCells[[128]byte](128, func(i int) (k [128]byte) { k[0] = byte(i); return k })
	keyCells[[129]byte](129, func(i int) (k [129]byte) { k[0] = byte(i); return k })
	keyCells[[256]byte](256, func(i int) (k [256]byte) { k[0] = byte(i); return k })
}

var kept any

func elemCells[V any](size int) {
	m := make(map[int]V)
	kept = m
	var elem V
	m[0] = elem
	_, objects := allocated(func() {
		for i := 1; i < 8; i++ {
			m[i] = elem
		}
	})
	reportAt("objects of an insert, by elem size", size, float64(objects)/7, "objects")
}

func keyCells[K comparable](size int, key func(int) K) {
	m := make(map[K]int)
	kept = m
	m[key(0)] = 0
	_, objects := allocated(func() {
		for i := 1; i < 8; i++ {
			m[key(i)] = i
		}
	})
	reportAt("objects of an insert, by key size", size, float64(objects)/7, "objects")
}
