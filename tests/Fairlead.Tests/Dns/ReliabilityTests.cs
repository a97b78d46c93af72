using System.Net;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Wire;
using Fairlead.Fleet.Spec;
using Fairlead.Net.Addresses;
using Fairlead.Node;
using Fairlead.Tests.Tidy;
using static Fairlead.Tests.Dns.DnsTestBed;

namespace Fairlead.Tests.Dns;

/// <summary>
/// What took other DNS servers down, and the tests that it does not take ours: a row each, and here the tests that
/// stand nowhere else.
/// </summary>
public sealed class ReliabilityTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("fairlead-reliable").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("D1 an odd type or opcode", "SweepTests.Every_type_is_answered", "SweepTests.Every_class_is_answered",
        "SweepTests.Every_opcode_and_flag_is_answered_except_responses",
        "SweepTests.Every_count_of_questions_is_answered")]
    [InlineData("D2 a crash while the answer is built",
        "HostileQueryTests.What_does_not_fit_is_truncated_at_every_size",
        "SignedAnswerTests.What_does_not_fit_with_its_signatures_is_truncated_and_a_stream_has_it_whole")]
    [InlineData("D3 compression pointers and labels", "HostileQueryTests.A_pointer_in_the_question_is_a_format_error",
        "HostileQueryTests.A_name_of_255_bytes_is_read_and_one_of_256_is_not")]
    [InlineData("D4 queries that cost much",
        "ReliabilityTests.A_long_chain_of_aliases_is_followed_for_a_dozen_steps_and_no_further")]
    [InlineData("D5 connections", "StreamTests.Clients_that_connect_and_vanish_or_send_parts_wear_nobody_out",
        "DnsServerTests.Who_is_idle_or_never_reads_is_cut_off", "DnsServerTests.Connections_have_limits")]
    [InlineData("D6 a wrong key of the cache", "AnswerCacheTests.With_and_without_the_cache_all_answers_are_the_same")]
    [InlineData("D7 a side door", "TransferTests.Nobody_gets_a_zone_by_default_nor_without_the_right_key_and_place",
        "AccessTableTests.Every_cell_is_as_the_table_says",
        "StreamTests.Notify_and_update_are_the_handlers_and_not_implemented_without_one",
        "SecondaryTests.A_notify_counts_from_a_primary_only")]
    [InlineData("D8 no end of input from a peer", "SecondaryTests.What_is_no_transfer_is_refused",
        "TransferTests.The_journal_keeps_to_its_limit", "MasterFileDirectiveTests.Generate_has_limits")]
    [InlineData("D9 text that is read, and written again", "RdataTextTests.Any_bytes_print_to_text_that_reads_back",
        "DnsNameTests.Any_name_reads_back_as_it_was_printed",
        "MasterFileTests.Damaged_files_give_problems_and_never_throw",
        "MasterFileDirectiveTests.A_zone_reads_back_as_it_was_printed")]
    [InlineData("D10 the web server beside it", "DohTests.*")]
    [InlineData("D11 old memory in answers", "AnswerCacheTests.With_and_without_the_cache_all_answers_are_the_same",
        "ReliabilityTests.What_was_in_the_buffer_before_never_leaves")]
    [InlineData("D12 an amplifier", "RateLimitTests.One_spoofed_source_gets_no_more_out_than_in")]
    [InlineData("D13 an exception", "DnsServerTests.A_fault_of_ours_costs_one_answer_and_is_kept")]
    [InlineData("UDP flood", "RateLimitTests.A_flood_from_everywhere_takes_no_memory_and_locks_nobody_out",
        "FloodTests.A_flood_does_not_take_the_answers_from_the_others")]
    [InlineData("random subdomains",
        "ReliabilityTests.Names_by_chance_cost_no_memory_and_push_nothing_out_of_the_cache")]
    [InlineData("a database that is missing, cut or half-written", "MmdbTests.A_cut_file_is_a_problem",
        "MmdbTests.A_damaged_file_is_a_problem_or_still_a_database",
        "ReliabilityTests.A_database_that_is_gone_cut_or_half_written_is_refused_and_named")]
    public void Each_row_has_its_tests(string row, params string[] tests)
    {
        Assert.NotEmpty(row);
        foreach (string test in tests)
        {
            string[] parts = test.Split('.');
            SourceFile[] files = [.. Tree.SourcesOf("tests").Where(
                file => Path.GetFileNameWithoutExtension(file.Path) == parts[0])];
            Assert.NotEmpty(files);
            bool isThere = files.Any(file => file.Code.Contains($" {parts[1]}(", StringComparison.Ordinal));
            Assert.True(isThere || parts[1] == "*", $"there is no test {test}");
        }
    }

    [Fact]
    public void What_was_in_the_buffer_before_never_leaves()
    {
        foreach (string name in (string[])["www", "nothing", "x.wild", "steered", "deep.sub", "ns1", "chain1"])
        {
            foreach (RecordType type in (RecordType[])[RecordType.A, RecordType.Txt, RecordType.Any, RecordType.Mx])
            {
                byte[] query = Query(
                    $"{name}.example.com", type, 1232, [0, 3, 0, 0, 0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]);
                byte[] one = new byte[4096], other = new byte[4096];
                one.AsSpan().Fill(0xcd);
                other.AsSpan().Fill(0x32);
                var asker = new Asker(Prefix.BitsOf(IPAddress.Parse("192.0.2.200")), Transport.Udp);
                int length = Answerer.Answer(Table, query, asker, null, one);
                Assert.Equal(length, Answerer.Answer(Table, query, asker, null, other));
                Assert.Equal(one[..length], other[..length]);
            }
        }
    }

    // What single questions cost beside each other is measured by bench/dns/run answer.
    [Fact]
    public void A_long_chain_of_aliases_is_followed_for_a_dozen_steps_and_no_further()
    {
        string chain = string.Concat(Enumerable.Range(0, 40).Select(i => $"c{i} CNAME c{i + 1}\n"));
        DnsTable table = DnsTable.Create(
            1, [Load("example.com", $"{ZoneText}\n{chain}")], Regions, Steering, "node-1");
        Assert.Equal(12, Ask("c0.example.com", RecordType.A, table: table).Answers.Count);
    }

    [Fact]
    public void Names_by_chance_cost_no_memory_and_push_nothing_out_of_the_cache()
    {
        var state = new AnswerState { Cache = new AnswerCache(1024) };
        byte[] response = new byte[1232], known = Query("www.example.com", RecordType.A, 1232);
        byte[] torture = Query("aaaaaaaaaaaa.example.com", RecordType.A, 1232);
        byte[] wild = Query("aaaaaaaaaaaa.wild.example.com", RecordType.A, 1232);
        var random = new Random(1);
        _ = Answerer.Answer(Table, known, default, state, response);
        long Round(byte[] query, int count)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < count; i++)
            {
                for (int at = 13; at < 25; at++) query[at] = (byte)('a' + random.Next(26));
                int length = Answerer.Answer(Table, query, default, state, response);
                if (length == 0 || state.WasReady || state.Rcode != (query == wild ? Rcode.NoError : Rcode.NxDomain))
                    return -1;
            }

            return GC.GetAllocatedBytesForCurrentThread() - before;
        }

        _ = Round(torture, 1000);
        // What the runtime needs when it compiles a method better comes once; what a name costs comes each time.
        Assert.Equal(0, Enumerable.Range(0, 3).Min(_ => Round(torture, 50_000)));
        _ = Answerer.Answer(Table, known, default, state, response);
        Assert.True(state.WasReady, "what is asked often was pushed out");
        Assert.Equal(0, Round(wild, 1));
    }

    [Fact]
    public void A_database_that_is_gone_cut_or_half_written_is_refused_and_named()
    {
        File.WriteAllText(Path.Combine(folder, "x.zone"), "$TTL 60\n@ SOA ns h 1 1 1 1 60\n@ NS ns.example.net.\n");
        string fleet = Path.Combine(folder, "fleet.yaml"), database = Path.Combine(folder, "geo.mmdb");
        File.WriteAllText(fleet, """
            fleet: f
            geo: {database: geo.mmdb}
            pops:
              one: {place: {latitude: 1, longitude: 1}, nodes: {ns1: {addresses: [198.51.100.1]}}}
              two: {place: {latitude: 2, longitude: 2}}
            services: {web: {ports: [tcp/80], backends: {one: [192.0.2.1], two: [192.0.2.2]}}}
            zones: {example.com: {file: x.zone, steer: {www: {service: web, answer: backends}}}}
            """);
        byte[] whole = MmdbWriter.Write([("192.0.2.0/24", new("EU", "DE", 52.5, 13.5)),
            ("2001:db8::/32", new("NA", "US", 40.5, -74))], 28, 6);
        Assert.Contains("geo.database", Refused(), StringComparison.Ordinal);
        for (int i = 0; i < 200; i++)
        {
            File.WriteAllBytes(database, whole[..(whole.Length * i / 200)]);
            Assert.Contains("geo.mmdb", Refused(), StringComparison.Ordinal);
        }

        // As a writer that is not through leaves it: the right length, and zeros where nothing was written yet.
        File.WriteAllBytes(database, [.. whole[..(whole.Length / 2)], .. new byte[whole.Length - (whole.Length / 2)]]);
        Assert.Contains("geo.mmdb", Refused(), StringComparison.Ordinal);
        File.WriteAllBytes(database, whole);
        Assert.NotNull(LoadedFleet.Read(fleet, out _));

        string Refused()
        {
            Assert.Null(LoadedFleet.Read(fleet, out IReadOnlyList<SpecProblem> problems));
            string problem = Assert.Single(problems).ToString();
            return problem.Contains("geo.mmdb", StringComparison.Ordinal) ? $"{problem} geo.database" : problem;
        }
    }
}
