package main

func init() { register("arena", arena) }

func arena() {
	_, err := goCommand("list", "arena")
	report("a program can import arena", truth(err == nil), "")
	quiet()
	const n = 100_000
	before := live()
	m := filled(n, n)
	kept = m
	full := change(before, live())
	for i := 0; i < n; i++ {
		delete(m, key(i))
	}
	report("share left when every entry is deleted", change(before, live())/full, "")
	m, kept = nil, nil
	report("share left when the map is dropped", change(before, live())/full, "")
}
