using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;

namespace Fairlead.Fuzz.Targets;

/// <summary>Master files: every fault has a place, and a zone that was taken prints so that it reads back.</summary>
public sealed class MasterFileTarget : IFuzzTarget
{
    private static readonly DnsName Origin = DnsName.Parse("example.com");

    public string Name => "master-file";

    public bool IsText => true;

    public int BytesMax => 4096;

    public IReadOnlyList<byte[]> Tokens { get; } = AllTargets.Words("""
        \n ~ @ $ORIGIN~ $TTL~ $INCLUDE~ $GENERATE~ 1-3~ 0-9/2~ $ ${0,3,d} ${-1,2,x} ${0,1,n} ( ) ; " \\ \\# \\034 \\000
        \n@~SOA~ns1~host~1~2~3~4~5\n \n@~NS~ns1\n ~IN~ ~CH~ ~TYPE65280~\\#~1~00 ~A~192.0.2.1\n ~AAAA~::1\n ~CNAME~www\n
        ~DNAME~example.net.\n ~TXT~"a"\n ~MX~10~mail\n ~SRV~0~0~53~ns1\n ~DS~1~13~2~00\n ~HTTPS~1~.~alpn=h2\n
        *. *.*. sub. example.com. . 1h30m 4294967295 2147483648 65536 -1 0 a.b.c.d. ~RRSIG~ ~NSEC~ns1~A~NS\n \t \r
        ~NAPTR~0~0~"u"~"x"~"!.*!a!"~.\n ~LOC~1~N~1~E~0\n ~CAA~0~issue~"x"\n ~SSHFP~1~1~00\n ~TLSA~3~1~1~00\n
        """);

    public int Run(ReadOnlySpan<byte> input)
    {
        // A folder that is not there: $INCLUDE must say so, and never find anything.
        MasterFileResult result = MasterFile.Read("/nonexistent/fuzz/zone", Origin, input.ToArray());
        BrokenPromiseException.Unless((result.Zone is null) == (result.Problems.Count > 0), "a zone or problems");
        var behaviour = new Behaviour();
        behaviour.Add(Math.Min(result.Problems.Count, 3));
        foreach (ZoneProblem problem in result.Problems)
        {
            BrokenPromiseException.Unless(problem.Message.Length > 0, "a problem has a message");
            BrokenPromiseException.Unless(
                problem is { Line: >= 1, Column: >= 1 } or { Line: 0, Column: 0 }, $"a problem has a place: {problem}");
        }

        if (result.Problems.Count > 0) behaviour.AddMessage(result.Problems[0].Message);
        if (result.Zone is not { } zone) return behaviour.Number;
        RecordType[] types = [.. zone.Sets.Select(set => set.Type).Distinct()];
        behaviour.Add(types.Length);
        behaviour.Add((int)types.Max());
        string printed = MasterFile.Print(zone);
        MasterFileResult again = MasterFile.Read("printed", Origin, printed);
        BrokenPromiseException.Unless(
            again.Zone is not null, $"what we print we read: {string.Join('\n', again.Problems.Take(3))}\n{printed}");
        BrokenPromiseException.Unless(
            zone.RecordCount == again.Zone!.RecordCount && MasterFile.Print(again.Zone) == printed,
            $"what we print reads back as the same zone\n{printed}");
        return behaviour.Number;
    }
}
