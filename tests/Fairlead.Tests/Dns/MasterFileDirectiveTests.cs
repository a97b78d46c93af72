using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;

namespace Fairlead.Tests.Dns;

public sealed class MasterFileDirectiveTests : IDisposable
{
    private const string Start = "$TTL 300\n@ SOA ns.example.net. host 1 2 3 4 5\n@ NS ns.example.net.\n";

    private readonly string folder = Directory.CreateTempSubdirectory("fairlead-zones").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private string Write(string name, string text)
    {
        string path = Path.Combine(folder, name);
        File.WriteAllText(path, text);
        return path;
    }

    private MasterFileResult Read(string text) =>
        MasterFile.ReadFile(Write("main", Start + text), DnsName.Parse("example.com"));

    private IEnumerable<string> Problems(string text) =>
        Read(text).Problems.Select(p => p.ToString().Replace(folder + "/", "", StringComparison.Ordinal));

    private static string Addresses(Zone zone) => string.Join(' ', zone.Sets
        .Where(set => set.Type == RecordType.A).Select(set => $"{set.Owner}={RdataText.Print(RecordType.A, set[0])}"));

    [Fact]
    public void An_included_file_has_its_own_origin_and_owner()
    {
        Write("inner", "$TTL 7\nx A 192.0.2.1\n$ORIGIN deep.example.com.\ny A 192.0.2.2\n");
        Zone zone = Read("one A 192.0.2.9\n$INCLUDE inner sub\n  AAAA ::1\n$INCLUDE inner\ntwo A 192.0.2.3\n").Zone!;
        Assert.Equal("y.deep.example.com.=192.0.2.2 one.example.com.=192.0.2.9 x.sub.example.com.=192.0.2.1 "
            + "two.example.com.=192.0.2.3 x.example.com.=192.0.2.1", Addresses(zone));
        Assert.NotNull(zone.Find(DnsName.Parse("one.example.com"), RecordType.Aaaa));
        Assert.Equal(300u, zone.Find(DnsName.Parse("two.example.com"), RecordType.A)!.TtlSeconds);
    }

    [Fact]
    public void Faults_of_included_files_stand_in_those_files()
    {
        Write("inner", "\nx A 1\n$INCLUDE main\n$INCLUDE gone\n");
        string[] problems = [.. Problems("$INCLUDE inner\nwww A 2\n")];
        Assert.Equal("main:5:7: '2' is not an IPv4 address", problems[0]);
        Assert.Equal("inner:2:5: '1' is not an IPv4 address", problems[1]);
        Assert.Equal($"inner:3:10: {folder}/main includes itself".Replace(folder + "/", ""), problems[2]);
        Assert.StartsWith("inner:4:10: gone cannot be read: ", problems[3]);
        for (int i = 0; i < 20; i++) Write($"deep{i}", $"$INCLUDE deep{i + 1}\n");
        Assert.Contains("is included 16 files deep", Assert.Single(Problems("$INCLUDE deep0\n")));
    }

    [Theory]
    [InlineData("$GENERATE 1-3 h$ A 192.0.2.$", "h1.example.com.=192.0.2.1 h2.example.com.=192.0.2.2 "
        + "h3.example.com.=192.0.2.3")]
    [InlineData("$GENERATE 0-8/4 h${10,3,x} 60 IN A 192.0.2.${1}",
        "h00a.example.com.=192.0.2.1 h00e.example.com.=192.0.2.5 h012.example.com.=192.0.2.9")]
    [InlineData("$GENERATE 1-1 a\\$b${0,3,n} A 192.0.2.1", "a\\$b1.0.example.com.=192.0.2.1")]
    public void Generate_makes_a_record_for_each_number(string line, string addresses) =>
        Assert.Equal(addresses, Addresses(Read(line).Zone!));

    [Theory]
    [InlineData("$GENERATE 1-200000 h$ A 192.0.2.1", "main:4:11: this makes over 100000 records")]
    [InlineData("$GENERATE 3-1 h$ A 192.0.2.1", "main:4:11: '3-1' is not START-STOP or START-STOP/STEP")]
    [InlineData("$GENERATE 1-300 h$ A 192.0.2.$", "main:4:1: '192.0.2.256' is not an IPv4 address")]
    [InlineData("$GENERATE 1-3 h${1,2,q} A 192.0.2.1",
        "main:4:1: '${1,2,q}' is not ${OFFSET,WIDTH,BASE} with a base of d, o, x, X, n or N")]
    [InlineData("$GENERATE 1-3 h$ A", "main:4:18: $GENERATE needs a range, an owner, a type and data")]
    public void Generate_has_limits(string line, string problem) => Assert.Equal([problem], Problems(line));

    [Fact]
    public void A_folder_is_read_whole_with_all_its_problems()
    {
        Write("a.example.zone", Start);
        Write("B.example.zone", Start + "x A 1\n");
        Write("b.example.zone", Start);
        Write("c.example.zone", Start);
        Write("notes.txt", "not a zone");
        Write("a..b.zone", Start);
        ZoneFolderResult read = ZoneFolder.Read(folder);
        Assert.Equal(["a.example.", "c.example."], read.Zones.Select(zone => zone.Origin.ToString()));
        Assert.Equal(3, read.Problems.Count);
        Assert.Contains(read.Problems, p => p.Message.EndsWith("B.example.zone is zone b.example. too"));
        Assert.Contains(read.Problems, p => p.File.EndsWith("B.example.zone") && p is { Line: 4, Column: 5 });
        Assert.Empty(ZoneFolder.Read(Path.Combine(folder, "none")).Zones);
    }

    [Fact]
    public void A_zone_reads_back_as_it_was_printed() => Property.Holds(50, random =>
    {
        string text = DnsTestBed.ZoneText;
        foreach (object[] row in RdataTextTests.Printed)
        {
            if ((string)row[0] is "SOA" or "RRSIG" or "NS" or "CNAME" or "DNAME") continue;
            if (random.Next(2) == 0) text += $"\nt{random.Next(20)}.types {(string)row[0]} {(string)row[1]}";
        }

        string odd = DnsNameTests.Any(random).ToString().TrimEnd('.');
        Zone zone = DnsTestBed.Load("example.com", text + "\n$ORIGIN types.example.com.\n*.DName DNAME other\n"
            + (odd.Length < 100 ? $"{odd}.odd TXT \"x\"\n" : ""));
        string printed = MasterFile.Print(zone);
        Zone read = DnsTestBed.Load("example.com", printed);
        Assert.Equal(printed, MasterFile.Print(read));
        Assert.Equal(zone.Sets.Select(Text), read.Sets.Select(Text));
    });

    private static string Text(RRset set) => $"{set.Owner} {set.TtlSeconds} {set.Type} {set.SignatureCount} "
        + string.Join(' ', Enumerable.Range(0, set.Count).Select(i => Convert.ToHexString(set[i])));
}
