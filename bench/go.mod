module github.com/ferrule-go/ferrule/bench

go 1.26.0
