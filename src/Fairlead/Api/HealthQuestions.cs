using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Text;
using Fairlead.Fleet;
using Fairlead.Fleet.Spec;
using Fairlead.Health;
using Microsoft.AspNetCore.Http;

namespace Fairlead.Api;

/// <summary>What one try saw; Heard is its first bytes, those that do not print as \xNN.</summary>
public sealed record ResultView(
    Outcome Outcome, string Detail, DateTimeOffset At, double TookMilliseconds, int? Code, string Heard);

/// <summary>A check, and what its last tries saw. Falls: how often it fell without being up for long between.</summary>
public sealed record CheckWhy(
    string Id, CheckKind Kind, string Target, bool Known, bool Up, DateTimeOffset? ChangedAt, string Detail, int Falls,
    long Tries, long Failures, long Unknowns, ResultView? Last, ResultView? LastFailure,
    ImmutableArray<CheckWhy> Parts);

public sealed record BackendWhy(string Address, ImmutableArray<CheckWhy> Checks);

/// <summary>What a service says of itself; Ttl is a time such as 30s, the check's own where it is left out.</summary>
public sealed record HealthReport(string Id, bool Up, string? Detail = null, string? Ttl = null);

/// <summary>
/// GET /v1/why/backend?address=ADDRESS: what the checks of a backend have seen. POST /v1/checks/report: the word of a
/// service whose check is of kind push.
/// </summary>
internal static class HealthQuestions
{
    private const int ReportBytesMax = 16 * 1024;

    public static Task WhyAsync(HttpContext context, CheckEngine checks, Func<HttpContext, int, object?, Task> send)
    {
        string text = $"{context.Request.Query["address"]}";
        if (!IPAddress.TryParse(text, out IPAddress? address))
            return send(context, 400, new Refusal("bad-request", [$"\"{text}\" is not an IP address"]));
        ImmutableArray<CheckWhy> found =
        [
            // The last step of an id is the backend; who is asked may be somebody else.
            .. checks.Status().Where(status => status.Check.Id.EndsWith($"/{address}", StringComparison.Ordinal))
                .OrderBy(status => status.Check.Id, StringComparer.Ordinal).Select(Explained),
        ];
        return found.IsEmpty
            ? send(context, 404, new Refusal("not-found", [$"this node checks no backend {address}"]))
            : send(context, 200, new BackendWhy($"{address}", found));
    }

    public static async Task ReportAsync(
        HttpContext context, CheckEngine checks, Func<HttpContext, int, object?, Task> send)
    {
        byte[] body = new byte[ReportBytesMax];
        int length = await context.Request.Body.ReadAtLeastAsync(
            body, body.Length, throwOnEndOfStream: false, context.RequestAborted);
        TimeSpan timeToLive = default;
        if (FleetJson.Read<HealthReport>(body.AsSpan(0, length)) is not { } report
            || (report.Ttl is { } ttl && (!Durations.TryParse(ttl, out timeToLive) || timeToLive <= TimeSpan.Zero)))
            await send(context, 400, new Refusal("bad-request", ["expected {id, up, detail, ttl}, ttl such as 30s"]));
        else if (!checks.Report(
            report.Id, report.Up, report.Detail ?? "no detail given", report.Ttl is null ? null : timeToLive))
            await send(context, 404, new Refusal("not-found", [$"no check \"{report.Id}\" of kind push runs here"]));
        else await send(context, 200, report);
    }

    private static CheckWhy Explained(CheckStatus status) => new(
        status.Check.Id, status.Check.Spec.Kind, status.Check.Target.ToString(), status.State.Known, status.State.Up,
        status.ChangedAt, status.Detail, status.State.Falls, status.Tries, status.Failures, status.Unknowns,
        Seen(status.Last), Seen(status.LastFailure), [.. status.Parts.Select(Explained)]);

    private static ResultView? Seen(LastResult? result) => result is null
        ? null
        : new ResultView(
            result.Outcome, result.Detail, result.At, result.Took.TotalMilliseconds, result.Code,
            Printable(result.Bytes));

    private static string Printable(ImmutableArray<byte> bytes)
    {
        var text = new StringBuilder();
        foreach (byte one in bytes)
        {
            if (one is >= 0x20 and < 0x7f and not (byte)'\\') text.Append((char)one);
            else text.Append(CultureInfo.InvariantCulture, $"\\x{one:x2}");
        }

        return text.ToString();
    }
}
