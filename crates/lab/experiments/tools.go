package main

import "strings"

func init() { register("tools", tools) }

func tools() {
	write("printf", "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Printf(\"%d\\n\", \"x\") }\n")
	output, err := goCommand("vet", ".")
	report("go vet sees the type of an argument of Printf", truth(err != nil && strings.Contains(output, "Printf")), "")
	output, err = goCommand("run", "-cpuprofile", "cpu.out", ".")
	report("go run takes -cpuprofile", truth(!strings.Contains(output, "flag provided but not defined") && err == nil), "")
	compiles := func(folder, body string) float64 {
		write("../"+folder, "package main\n\nfunc main() {\n\tm := map[int]int{1: 1, 2: 2, 3: 3}\n"+body+"}\n")
		_, err := goCommand("build", "-o", "program", ".")
		return truth(err == nil)
	}
	report("m.Range compiles for a map", compiles("method", "\tm.Range(func(k, v int) bool { return true })\n"), "")
	report("&hiter{} compiles", compiles("hiter", "\t_ = &hiter{}\n\t_ = m\n"), "")
	report("delete in a range over the map compiles", compiles("deletes", "\tfor k := range m {\n\t\tdelete(m, k)\n\t}\n"), "")
	wrong := 0
	for round := 0; round < 200; round++ {
		m := filled(100, 0)
		seen := map[int]bool{}
		for k := range m {
			if seen[k] {
				wrong++
			}
			seen[k] = true
			delete(m, k)
			// One that was not yet reached and is deleted must not come.
			for other := range m {
				delete(m, other)
				if seen[other] {
					wrong++
				}
				seen[other] = true
				break
			}
		}
		if len(m) != 0 || len(seen) != 100 {
			wrong++
		}
	}
	report("entries seen twice or missed by ranges that delete", float64(wrong), "entries")
}
