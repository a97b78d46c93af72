using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Fairlead.Health;
using static Fairlead.Tests.Health.CheckBed;

namespace Fairlead.Tests.Health;

/// <summary>The kinds that need no server of others: against sockets and programs of the test's own.</summary>
public class CheckKindTests
{
    private static readonly IPEndPoint Nowhere = new(IPAddress.Loopback, 9);

    [Theory]
    [InlineData("+PONG\r\n", true, "heard what was expected in 7 bytes")]
    [InlineData("-LOADING\r\n", false, "closed after 10 bytes without")]
    [InlineData("", false, "closed after 0 bytes without")]
    public async Task A_tcp_check_says_something_and_hears_what_it_expects(string answer, bool up, string detail)
    {
        await using var server = new HandmadeServer(async (stream, stop) =>
        {
            byte[] asked = new byte[6];
            await stream.ReadExactlyAsync(asked, stop);
            if (Encoding.ASCII.GetString(asked) == "PING\r\n")
                await stream.WriteAsync(Encoding.ASCII.GetBytes(answer), stop);
        });

        CheckStatus status =
            await FirstAsync(server.Address, Patient with { Send = "PING\r\n", Expect = "^\\+PONG" });

        Assert.Equal(up, status.State.Up);
        Assert.StartsWith(detail, status.Detail, StringComparison.Ordinal);
        Assert.Equal(answer, Encoding.ASCII.GetString([.. status.Last!.Bytes]));
    }

    [Fact]
    public async Task A_server_that_accepts_and_says_nothing_is_down_where_something_is_expected()
    {
        await using var silent = new HandmadeServer((_, stop) => Task.Delay(Timeout.Infinite, stop));

        CheckStatus status = await FirstAsync(
            silent.Address, Patient with { Expect = "^220 ", Timeout = TimeSpan.FromMilliseconds(100) });

        Assert.Equal((Outcome.Failure, "no answer within 100 ms"), (status.Last!.Outcome, status.Detail));
        Assert.InRange(status.Last.Took.TotalMilliseconds, 100, 400);
    }

    [Fact]
    public async Task A_server_that_talks_without_end_is_heard_to_a_limit()
    {
        await using var talker = new HandmadeServer(async (stream, stop) =>
        {
            while (!stop.IsCancellationRequested) await stream.WriteAsync(new byte[4096], stop);
        });

        CheckStatus status = await FirstAsync(talker.Address, Patient with { Expect = "never" });

        Assert.Equal("no \"never\" in the first 4096 bytes", status.Detail);
        Assert.Equal(LastResult.BytesMax, status.Last!.Bytes.Length);
    }

    [Theory]
    [InlineData("\xff\xff\xff\xffstatusResponse\n", true)]
    [InlineData("disconnect\n", false)]
    public async Task A_udp_check_sends_its_bytes_and_judges_the_answer(string answer, bool up)
    {
        using var server = new UdpClient(new IPEndPoint(IPAddress.Loopback, 0));
        Task<CheckStatus> asking = FirstAsync((IPEndPoint)server.Client.LocalEndPoint!, Patient with
        {
            Kind = CheckKind.Udp,
            Send = "\xff\xff\xff\xffgetstatus",
            Expect = "statusResponse",
        });
        UdpReceiveResult asked = await server.ReceiveAsync();
        Assert.Equal("\xff\xff\xff\xffgetstatus", Encoding.Latin1.GetString(asked.Buffer));
        await server.SendAsync(Encoding.Latin1.GetBytes(answer), asked.RemoteEndPoint);

        Assert.Equal(up, (await asking).State.Up);
    }

    [Theory]
    [InlineData(CheckKind.Udp)]
    [InlineData(CheckKind.Dns)]
    public async Task A_closed_udp_port_is_down_at_once(CheckKind kind)
    {
        IPEndPoint closed;
        using (var server = new UdpClient(new IPEndPoint(IPAddress.Loopback, 0)))
            closed = (IPEndPoint)server.Client.LocalEndPoint!;

        CheckStatus status = await FirstAsync(
            closed, Patient with { Kind = kind, Send = "x", Timeout = TimeSpan.FromMinutes(1) });

        Assert.Equal((Outcome.Failure, "Connection refused"), (status.Last!.Outcome, status.Detail));
    }

    [Fact]
    public async Task Answers_to_other_questions_are_passed_over()
    {
        using var server = new UdpClient(new IPEndPoint(IPAddress.Loopback, 0));
        Task<CheckStatus> asking = FirstAsync((IPEndPoint)server.Client.LocalEndPoint!, Patient with
        {
            Kind = CheckKind.Dns,
            Name = "www.example.com",
            Type = CheckRecordType.A,
        });
        UdpReceiveResult asked = await server.ReceiveAsync();
        byte[] right = DnsProbeTests.Answer(asked.Buffer), otherId = [.. right], otherName = [.. right];
        otherId[0] ^= 1;
        otherName[14] ^= 1;
        foreach (byte[] one in new[] { [0], otherId, otherName, asked.Buffer })
            await server.SendAsync(one, asked.RemoteEndPoint);
        Assert.False(asking.IsCompleted);
        await server.SendAsync(right, asked.RemoteEndPoint);
        CheckStatus status = await asking;
        Assert.Equal((true, "NOERROR, 2 records", 0), (status.State.Up, status.Detail, status.Last!.Code));
    }

    [Fact]
    public async Task A_command_is_judged_by_its_exit_code_and_gets_the_target_and_no_shell()
    {
        var target = new IPEndPoint(IPAddress.Parse("192.0.2.7"), 81);
        CheckSpec Runs(params string[] command) =>
            Patient with { Kind = CheckKind.Command, Command = [.. command] };

        CheckStatus echoed = await FirstAsync(target, Runs("/bin/echo", "{address}:{port};", "$HOME", "`id`"));
        Assert.Equal((true, "OK: 192.0.2.7:81; $HOME `id`"), (echoed.State.Up, echoed.Detail));
        CheckStatus failed = await FirstAsync(target, Runs("/bin/sh", "-c", "echo broken >&2; exit 2"));
        Assert.Equal((false, "CRITICAL: broken", 2), (failed.State.Up, failed.Detail, failed.Last!.Code));
        CheckStatus missing = await FirstAsync(target, Runs("/nonexistent/check"));
        Assert.Equal((false, Outcome.Unknown), (missing.State.Known, missing.Last!.Outcome));
        CheckStatus bare = await FirstAsync(target, Runs("/usr/bin/env"));
        Assert.DoesNotContain("HOME", Encoding.ASCII.GetString([.. bare.Last!.Bytes]), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("sleep 1000 & sleep 1000 & wait", "no answer within 1500 ms")]
    [InlineData("sleep 1000 & exit 0", "OK")]
    public async Task What_a_command_has_started_ends_with_it(string script, string detail)
    {
        string file = Path.Combine(Path.GetTempPath(), $"fairlead-{Guid.NewGuid():N}");
        try
        {
            CheckStatus status = await FirstAsync(Nowhere, Patient with
            {
                Kind = CheckKind.Command,
                Command = ["/bin/sh", "-c", $"echo $$ >> {file}; {script}"],
                Timeout = TimeSpan.FromMilliseconds(1500),
            });
            Assert.Equal(detail, status.Detail);
            // The next run may have begun meanwhile.
            int[] groups = [.. File.ReadLines(file).Select(line => int.Parse(line, CultureInfo.InvariantCulture))];
            Assert.NotEmpty(groups);
            await UntilAsync(() => !groups.SelectMany(MembersOf).Any());
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task A_service_that_reports_itself_is_up_until_its_time_to_live_is_over()
    {
        var told = new ConcurrentQueue<CheckStatus>();
        await using var engine = new CheckEngine(TimeProvider.System, 1, told.Enqueue);
        CheckSpec push = Patient with { Kind = CheckKind.Push, TimeToLive = TimeSpan.FromMinutes(1) };
        engine.Apply(new CheckSet([new Check("job", Nowhere, push), new Check("tcp", Nowhere, Patient)]));

        Assert.True(engine.Report("job", up: true, "42 items"));
        await UntilAsync(() => told.Any(status => status.Check.Id == "job"));
        CheckStatus job = told.Single(status => status.Check.Id == "job");
        Assert.Equal((true, "42 items"), (job.State.Up, job.Detail));
        engine.Report("job", up: true, "for a moment", TimeSpan.FromMilliseconds(50));
        await UntilAsync(() => told.Count(status => status.Check.Id == "job") == 2);
        job = told.Last(status => status.Check.Id == "job");
        Assert.Equal((false, "no report in time"), (job.State.Up, job.Detail));
        engine.Report("job", up: true, "again");
        engine.Report("job", up: false, "queue full");
        await UntilAsync(() => told.Count(status => status.Check.Id == "job") == 4);
        Assert.Equal("queue full", told.Last(status => status.Check.Id == "job").Detail);
        Assert.False(engine.Report("tcp", up: true, "not mine to say"));
        Assert.False(engine.Report("nobody", up: true, ""));
    }

    [Fact]
    public async Task A_service_that_never_reports_is_down_after_its_time_to_live()
    {
        var told = new ConcurrentQueue<CheckStatus>();
        await using var engine = new CheckEngine(TimeProvider.System, 1, told.Enqueue);
        engine.Apply(new CheckSet([new Check("job", Nowhere,
            Patient with { Kind = CheckKind.Push, TimeToLive = TimeSpan.FromMilliseconds(100) })]));

        await UntilAsync(() => !told.IsEmpty);

        Assert.False(told.Single().State.Up);
    }

    [Fact]
    public async Task A_report_during_the_hold_down_counts_when_it_ends()
    {
        var told = new ConcurrentQueue<CheckStatus>();
        await using var engine = new CheckEngine(TimeProvider.System, 1, told.Enqueue);
        var hold = TimeSpan.FromMilliseconds(300);
        engine.Apply(new CheckSet([new Check("job", Nowhere,
            Patient with { Kind = CheckKind.Push, TimeToLive = TimeSpan.FromMinutes(1), HoldDown = hold })]));
        foreach (bool up in new[] { true, false, true }) engine.Report("job", up, "");

        await UntilAsync(() => told.Count == 3);

        CheckStatus[] turns = [.. told];
        Assert.Equal([true, false, true], turns.Select(turn => turn.State.Up));
        Assert.True(turns[2].ChangedAt - turns[1].ChangedAt >= hold - TimeSpan.FromMilliseconds(1));
    }

    [Fact]
    public async Task A_composite_follows_its_parts_and_names_those_that_are_down()
    {
        var told = new ConcurrentQueue<CheckStatus>();
        await using HandmadeServer server = HandmadeServer.Answering("");
        CheckSpec push = Patient with { Kind = CheckKind.Push, TimeToLive = TimeSpan.FromMinutes(1) };
        await using var engine = new CheckEngine(TimeProvider.System, 1, told.Enqueue);
        var whole = new Check("web", server.Address, new CheckSpec { Kind = CheckKind.Composite })
        {
            Parts = [new Check("web#port", server.Address, Patient), new Check("web#job", server.Address, push)],
        };
        engine.Apply(new CheckSet([whole]));

        await UntilAsync(() => engine.Status()[0].Parts.Any(part => part.State.Up));
        Assert.False(engine.Status()[0].State.Known);
        Assert.True(engine.Report("web#job", up: true, "fine"));
        await UntilAsync(() => told.Count == 1);
        engine.Report("web#job", up: false, "disk full");
        await UntilAsync(() => told.Count == 2);

        Assert.Equal([true, false], told.Select(turn => turn.State.Up));
        Assert.Equal("1 of 2 up, 2 needed; web#job: disk full", told.Last().Detail);
        engine.Apply(new CheckSet([whole with { Parts = [.. whole.Parts] }]));
        Assert.True(engine.Status()[0].State.Known); // The same, written again.
        engine.Apply(CheckSet.Empty);
        Assert.Empty(engine.Status());
    }

    [Fact]
    public async Task A_source_address_is_used_and_one_that_is_not_ours_is_not_the_backends_fault()
    {
        var from = new ConcurrentQueue<IPAddress>();
        await using var server = new HandmadeServer((stream, _) =>
        {
            from.Enqueue(((IPEndPoint)stream.Socket.RemoteEndPoint!).Address);
            return Task.CompletedTask;
        });
        CheckSpec sourced = Patient with { Source = [IPAddress.Parse("127.0.0.9")] };
        foreach (CheckSpec spec in new[] { sourced, sourced with { Kind = CheckKind.Http } })
        {
            await FirstAsync(server.Address, spec);
            await UntilAsync(() => !from.IsEmpty);
            Assert.All(from, address => Assert.Equal(IPAddress.Parse("127.0.0.9"), address));
            from.Clear();
            CheckStatus foreign = await FirstAsync(
                server.Address, spec with { Source = [IPAddress.Parse("192.0.2.1")] });
            Assert.Equal((false, Outcome.Unknown), (foreign.State.Known, foreign.Last!.Outcome));
            Assert.StartsWith("source 192.0.2.1: ", foreign.Detail, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Many_checks_beat_from_phases_of_their_own()
    {
        await using HandmadeServer server = HandmadeServer.Answering("");
        await using var engine = new CheckEngine(TimeProvider.System, 1, _ => { });
        CheckSpec slow = Patient with { Interval = TimeSpan.FromSeconds(1) };
        engine.Apply(new CheckSet(
            [.. Enumerable.Range(0, 50).Select(i => new Check($"web/{i}", server.Address, slow.Apart(i)))]));
        await UntilAsync(() => engine.Status().All(status => status.State.Known));

        DateTimeOffset[] tries = [.. engine.Status().Select(status => status.ChangedAt!.Value)];
        Assert.True(tries.Max() - tries.Min() > TimeSpan.FromMilliseconds(100), "they beat in step");
    }

    /// <summary>A group's processes that live (field 5 of /proc/PID/stat; field 3 is Z for one that is dead).</summary>
    private static IEnumerable<string> MembersOf(int leader) =>
        from stat in Directory.GetDirectories("/proc").Where(path => char.IsAsciiDigit(path[6])).Select(ReadStat)
        let fields = stat[(stat.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries)
        where fields.Length > 2 && fields[2] == leader.ToString(CultureInfo.InvariantCulture) && fields[0] != "Z"
        select stat;

    private static string ReadStat(string process)
    {
        try
        {
            return File.ReadAllText(Path.Combine(process, "stat"));
        }
        catch (IOException)
        {
            return "";
        }
    }
}
