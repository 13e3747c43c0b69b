module tophash.example/maptrace

go 1.19
