module bondy

go 1.26.0
