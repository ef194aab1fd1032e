package directory_test
import ("testing";"fmt";"time";"strings";"bondy/core/directory/directorytest";"bondy/core/directory")
func TestZZ(t *testing.T){
 var b strings.Builder
 b.WriteString(`{"uri":"a.b","groups":[{"name":"g"}],"users":[`)
 for i:=range 100000 { if i>0 {b.WriteString(",")}; fmt.Fprintf(&b,`{"username":"u%d","groups":["g"],"password_hash":"pbkdf2$10000:c2FsdHNhbHQ=$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}`,i)}
 b.WriteString(`]}`)
 d:=directorytest.Open(t,&directorytest.Log{})
 s:=time.Now(); docs,err:=directory.ParseDocuments([]byte(b.String())); if err!=nil{t.Fatal(err)}
 t.Log("parse",time.Since(s)); s=time.Now()
 _,err=d.ApplyDocuments(directory.Actor{},docs,directory.ApplyOptions{}); if err!=nil{t.Fatal(err)}
 t.Log("apply",time.Since(s)); s=time.Now()
 c,err:=d.ApplyDocuments(directory.Actor{},docs,directory.ApplyOptions{Prune:true}); if err!=nil||len(c)>0{t.Fatal(err,len(c))}
 t.Log("again",time.Since(s))
}
