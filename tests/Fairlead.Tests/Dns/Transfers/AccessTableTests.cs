using System.Net;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Server;
using Fairlead.Dns.Transfers;
using Fairlead.Dns.Wire;
using Fairlead.Net.Addresses;
using static Fairlead.Tests.Dns.DnsTestBed;

namespace Fairlead.Tests.Dns.Transfers;

/// <summary>
/// Who gets what through which door: every combination of transport, credential, address and operation, through the
/// guard that all transports share. example.com may be taken from 192.0.2.0/24 with the key `right`; example.net is
/// a secondary zone whose primary has the key `right`, example.org one whose primary is 192.0.2.1 without a key.
/// </summary>
public sealed class AccessTableTests : IAsyncLifetime
{
    /// <summary>
    /// `in` is 192.0.2.1, `out` 198.51.100.1. none: unsigned; unknown: a key that is not ours; forged: our key's name
    /// over another secret; other: a valid key that no rule names; right: the rule's key. `given`: records come that
    /// others must not see.
    /// </summary>
    private const string Expected = """
        operation credential address udp      tcp      tls
        AXFR      none       in      REFUSED  REFUSED  REFUSED
        AXFR      none       out     REFUSED  REFUSED  REFUSED
        AXFR      unknown    in      BADKEY   BADKEY   BADKEY
        AXFR      unknown    out     BADKEY   BADKEY   BADKEY
        AXFR      forged     in      BADSIG   BADSIG   BADSIG
        AXFR      forged     out     BADSIG   BADSIG   BADSIG
        AXFR      other      in      REFUSED  REFUSED  REFUSED
        AXFR      other      out     REFUSED  REFUSED  REFUSED
        AXFR      right      in      REFUSED  given    given
        AXFR      right      out     REFUSED  REFUSED  REFUSED
        IXFR      none       in      REFUSED  REFUSED  REFUSED
        IXFR      none       out     REFUSED  REFUSED  REFUSED
        IXFR      unknown    in      BADKEY   BADKEY   BADKEY
        IXFR      unknown    out     BADKEY   BADKEY   BADKEY
        IXFR      forged     in      BADSIG   BADSIG   BADSIG
        IXFR      forged     out     BADSIG   BADSIG   BADSIG
        IXFR      other      in      REFUSED  REFUSED  REFUSED
        IXFR      other      out     REFUSED  REFUSED  REFUSED
        IXFR      right      in      given    given    given
        IXFR      right      out     REFUSED  REFUSED  REFUSED
        SOA       none       in      NOERROR  NOERROR  NOERROR
        SOA       none       out     NOERROR  NOERROR  NOERROR
        SOA       unknown    in      BADKEY   BADKEY   BADKEY
        SOA       unknown    out     BADKEY   BADKEY   BADKEY
        SOA       forged     in      BADSIG   BADSIG   BADSIG
        SOA       forged     out     BADSIG   BADSIG   BADSIG
        SOA       other      in      NOERROR  NOERROR  NOERROR
        SOA       other      out     NOERROR  NOERROR  NOERROR
        SOA       right      in      NOERROR  NOERROR  NOERROR
        SOA       right      out     NOERROR  NOERROR  NOERROR
        NOTIFY    none       in      REFUSED  REFUSED  REFUSED
        NOTIFY    none       out     REFUSED  REFUSED  REFUSED
        NOTIFY    unknown    in      BADKEY   BADKEY   BADKEY
        NOTIFY    unknown    out     BADKEY   BADKEY   BADKEY
        NOTIFY    forged     in      BADSIG   BADSIG   BADSIG
        NOTIFY    forged     out     BADSIG   BADSIG   BADSIG
        NOTIFY    other      in      REFUSED  REFUSED  REFUSED
        NOTIFY    other      out     REFUSED  REFUSED  REFUSED
        NOTIFY    right      in      NOERROR  NOERROR  NOERROR
        NOTIFY    right      out     NOERROR  NOERROR  NOERROR
        NOTIFY0   none       in      NOERROR  NOERROR  NOERROR
        NOTIFY0   none       out     REFUSED  REFUSED  REFUSED
        NOTIFY0   unknown    in      BADKEY   BADKEY   BADKEY
        NOTIFY0   unknown    out     BADKEY   BADKEY   BADKEY
        NOTIFY0   forged     in      BADSIG   BADSIG   BADSIG
        NOTIFY0   forged     out     BADSIG   BADSIG   BADSIG
        NOTIFY0   other      in      NOERROR  NOERROR  NOERROR
        NOTIFY0   other      out     REFUSED  REFUSED  REFUSED
        NOTIFY0   right      in      NOERROR  NOERROR  NOERROR
        NOTIFY0   right      out     REFUSED  REFUSED  REFUSED
        """;

    private static readonly DateTimeOffset Now = DateTimeOffset.FromUnixTimeSeconds(1_800_000_000);
    private static readonly TsigKey Right = TsigTests.Key(name: "right"), Other = TsigTests.Key(name: "other");

    private readonly string folder = Directory.CreateTempSubdirectory("fairlead-access").FullName;
    private readonly SecondaryZones secondaries;
    private readonly TransferHandler handler;
    private readonly AnswerGuard guard;
    private readonly DnsTable table;

    public AccessTableTests()
    {
        secondaries = new SecondaryZones(new SecondaryOptions
        {
            Folder = folder,
            Keys = [Right, Other],
            Zones = [Secondary("example.net", Right.Name), Secondary("example.org", null)],
        });
        handler = new TransferHandler(new TransferOptions
        {
            Keys = [Right, Other],
            Allow =
            [
                new TransferRule
                {
                    Zone = DnsName.Parse("example.com"), From = [Prefix.Parse("192.0.2.0/24")], Keys = [Right.Name],
                },
            ],
        }, null, secondaries, new FakeTime(Now));
        TransferBed.Publish(handler, TransferBed.Table(TransferBed.Zone(1)));
        table = TransferBed.Publish(handler, TransferBed.Table(TransferBed.Zone(2, "secret A 192.0.2.7")));
        var counters = new DnsCounters();
        guard = new AnswerGuard(counters, counters.AddThread(), new AnswerState(), handler: handler);
    }

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await handler.DisposeAsync();
        await secondaries.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public void Every_cell_is_as_the_table_says()
    {
        string[] operations = ["AXFR", "IXFR", "SOA", "NOTIFY", "NOTIFY0"];
        string[] credentials = ["none", "unknown", "forged", "other", "right"];
        string[] transports = ["udp", "tcp", "tls"];
        var rows = new List<string> { Expected.Split('\n')[0].TrimEnd() };
        foreach (string operation in operations)
        {
            foreach (string credential in credentials)
            {
                foreach (string address in (string[])["in", "out"])
                {
                    string cells = string.Concat(transports.Select(
                        transport => $"{Outcome(operation, credential, address, transport),-9}"));
                    rows.Add($"{operation,-10}{credential,-11}{address,-8}{cells.TrimEnd()}");
                }
            }
        }

        Assert.Equal(Expected.Split('\n').Select(line => line.TrimEnd()), rows);
        Assert.Equal(1 + (operations.Length * credentials.Length * 2), rows.Count);
    }

    private static SecondaryZone Secondary(string origin, DnsName? key) => new(
        DnsName.Parse(origin), [new Primary { Address = IPEndPoint.Parse("192.0.2.1:53"), Key = key }]);

    private string Outcome(string operation, string credential, string address, string transport)
    {
        byte[] query = operation switch
        {
            "AXFR" => Query("example.com", RecordType.Axfr),
            "IXFR" => TransferBed.Ixfr(1),
            "SOA" => Query("example.com", RecordType.Soa),
            "NOTIFY" => Query("example.net", RecordType.Soa),
            _ => Query("example.org", RecordType.Soa),
        };
        if (operation.StartsWith("NOTIFY", StringComparison.Ordinal)) query[2] = (int)Opcode.Notify << 3;
        TsigSession? session = null;
        if (credential != "none")
        {
            TsigKey key = credential switch
            {
                "unknown" => TsigTests.Key(name: "nobody"),
                "forged" => TsigTests.Key(name: "right", secret: "b3RoZXI="),
                "other" => Other,
                _ => Right,
            };
            byte[] signed = new byte[512];
            query.CopyTo(signed, 0);
            int length = query.Length;
            session = TsigSession.Request(key, signed, ref length, Now);
            query = signed[..length];
        }

        using (session)
        {
            Transport way = transport switch { "udp" => Transport.Udp, "tcp" => Transport.Tcp, _ => Transport.Tls };
            return Judge(Exchange(query, TransferBed.From(address == "in" ? "192.0.2.1" : "198.51.100.1", way)),
                operation, session);
        }
    }

    // As the workers do it: a stream if there is one, or else an answer.
    private List<byte[]> Exchange(byte[] query, in Asker asker)
    {
        byte[] room = new byte[65535];
        var messages = new List<byte[]>();
        if (asker.IsStream && guard.OpenStream(query, asker) is { } stream)
        {
            using (stream)
            {
                for (int length; (length = guard.Next(stream, room)) > 0;) messages.Add(room[..length]);
            }
        }
        else
        {
            messages.Add(room[..guard.Answer(table, query, asker, room.AsSpan(0, asker.IsStream ? 65535 : 1232))]);
        }

        return messages;
    }

    private static string Judge(List<byte[]> messages, string operation, TsigSession? session)
    {
        bool leaks = messages.Any(message => message.AsSpan().IndexOf("secret"u8) >= 0);
        byte[] first = messages[0];
        Assert.True(TsigRecord.TryFind(first, out bool isSigned, out TsigRecord tsig));
        var rcode = (Rcode)(first[3] & 0xf);
        if (isSigned && tsig.Error != 0)
        {
            // RFC 8945 §5.3.2: what cannot be verified is not answered under a signature, and with nothing in it.
            Assert.Equal((Rcode.NotAuth, 0, false), (rcode, first[6] + first[7], leaks));
            Assert.True(tsig.Mac.IsEmpty);
            return (TsigError)tsig.Error == TsigError.BadKey ? "BADKEY" : "BADSIG";
        }

        Assert.Equal(session is not null, isSigned);
        if (session is not null)
            Assert.All(messages, message => Assert.Equal(TsigVerdict.Valid, session.Verify(message, Now)));
        bool given = operation is "AXFR" or "IXFR" && first[7] > 0;
        Assert.Equal(given, leaks);
        return given ? "given" : rcode.ToString().ToUpperInvariant();
    }
}
