% An SSVEP calibration shown by MATLAB with Psychtoolbox, recorded and decoded by Volo.
% Needs Psychtoolbox-3 and liblsl-Matlab on the path.
%
% Volo:  volo record --source lsl:name=EEG --markers lsl:MATLAB --out calibration.xdf

function volo_presenter
keys = {'A', 'B', 'space', 'delete'};                 % as in Volo's layout "four"
frequencies = [9.0, 10.8, 12.6, 14.4];
phases = [0, 0.5, 1, 1.5] * pi;
places = [0.15 0.20; 0.65 0.20; 0.15 0.65; 0.65 0.65]; % upper left corners, as shares of the screen
[blocks, cue_s, flicker_s, rest_s] = deal(4, 0.7, 2.3, 0.5);

lib = lsl_loadlib();
info = lsl_streaminfo(lib, 'MATLAB', 'Markers', 1, 0, 'cf_string', 'presenter-matlab');
outlet = lsl_outlet(info);
[win, rect] = Screen('OpenWindow', max(Screen('Screens')), 51);
refresh_hz = 1 / Screen('GetFlipInterval', win);      % measured, not rounded
wide = rect(3); high = rect(4);
cleaner = onCleanup(@() sca);

while ~outlet.have_consumers(), WaitSecs(0.1); end
WaitSecs(3);                                          % for the recorder's filters
send('run/start', struct('task', 'ssvep', 'paradigm', 'calibration', 'layout', 'four'));
trial = 0;
for block = 1:blocks
    for k = randperm(numel(keys))
        cue = struct('trial', trial, 'cue', keys{k}, 'text', '');
        show('trial/start', cue, cue_s, k, false);
        show('stimulus/onset', struct('trial', trial, 'target', keys{k}), flicker_s, k, true);
        show('stimulus/offset', struct('trial', trial), rest_s, 0, false);
        trial = trial + 1;
    end
end
send('run/stop', struct());
WaitSecs(1);

    function send(label, payload)
        text = jsonencode(struct('label', label, 'payload', payload));
        outlet.push_sample({text}, lsl_local_clock(lib));
    end

    function show(label, payload, seconds, cued, flickers)
        n = 0;
        draw(cued, n, flickers);
        start = Screen('Flip', win);                  % returns when the swap is done
        send(label, payload);
        while GetSecs - start < seconds
            n = round((GetSecs - start) * refresh_hz) + 1;  % from time: a dropped frame costs no phase
            draw(cued, n, flickers);
            Screen('Flip', win);
        end
    end

    function draw(cued, n, flickers)
        for j = 1:numel(keys)
            level = 0.5;
            if flickers
                level = 0.5 * (1 + sin(2 * pi * frequencies(j) * n / refresh_hz + phases(j)));
            end
            place = [places(j, 1) * wide, places(j, 2) * high, (places(j, 1) + 0.2) * wide, (places(j, 2) + 0.3) * high];
            if j == cued
                Screen('FillRect', win, [255 158 28], place + [-12 -12 12 12]);
            end
            Screen('FillRect', win, round(255 * level), place);
            DrawFormattedText(win, keys{j}, 'center', 'center', 255, [], [], [], [], [], place);
        end
    end
end
